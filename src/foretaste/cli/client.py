"""The few requests that the command line sends to a running server."""

import json
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import Request, urlopen

from foretaste.errors import ServingError

TIMEOUT_S = 30.0


def ask(url: str, user_id: str, *, k: int) -> dict[str, Any]:
    """The list of a user, with reasons.

    Raises:
        ServingError: no answer, or an error.
    """
    return _send(Request(f"{url}/api/v1/recommendations/user/{quote(user_id, safe='')}?limit={k}&explain=true"))  # noqa: S310


def tell(url: str, event: dict[str, Any]) -> dict[str, Any]:
    """Post one event; what became of it.

    Raises:
        ServingError: no answer, or an error.
    """
    body = json.dumps(event).encode()
    headers = {"Content-Type": "application/json"}
    return _send(Request(f"{url}/api/v1/interactions", data=body, headers=headers, method="POST"))  # noqa: S310


def _send(request: Request) -> dict[str, Any]:
    try:
        with urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310 - an address that the caller chose
            decoded: dict[str, Any] = json.load(answer)
            return decoded
    except HTTPError as exc:
        raise ServingError(f"{request.full_url} answered {exc.code}: {exc.read(500).decode(errors='replace')}") from exc
    except (URLError, OSError, ValueError) as exc:
        raise ServingError(f"{request.full_url} gave no answer: {exc}", hint="is the server running?") from exc
