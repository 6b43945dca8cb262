"""Reading bodies: strict JSON (no NaN, no lone surrogates), then the schema."""

from typing import Any, TypeVar

import orjson
from fastapi import Request
from pydantic import BaseModel, ValidationError

from foretaste.api.errors import InvalidRequestError, MalformedBodyError, invalid_request

MAX_BATCH = 10_000
"""Records in one request."""
B = TypeVar("B", bound=BaseModel)


async def read_json(request: Request) -> Any:
    """The decoded body.

    Raises:
        MalformedBodyError: it is no JSON; says where.
    """
    return decoded(await request.body())


def decoded(content: bytes) -> Any:
    """The value of a JSON text.

    Raises:
        MalformedBodyError: it is no JSON; says where.
    """
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as exc:
        what = "the body is empty" if not content.strip() else f"the body is no valid JSON: {exc}"
        raise MalformedBodyError(what, hint="send JSON (UTF-8, no NaN or Infinity)") from exc


async def read_body(request: Request, schema: type[B]) -> B:
    """The body as ``schema``.

    Raises:
        MalformedBodyError, InvalidRequestError.
    """
    try:
        return schema.model_validate(await read_json(request))
    except ValidationError as exc:
        raise invalid_request(exc) from exc


async def read_optional_body(request: Request, schema: type[B]) -> B:
    """As :func:`read_body`; no body at all stands for one without fields.

    Raises:
        MalformedBodyError, InvalidRequestError.
    """
    return await read_body(request, schema) if (await request.body()).strip() else schema()


async def read_batch(request: Request, key: str) -> list[Any]:
    """The records of a body: an array, an object with the array under ``key``, or one object.

    The records themselves are not looked at: each is checked by itself later.

    Raises:
        MalformedBodyError, InvalidRequestError: no record, or too many.
    """
    return records_of(await read_json(request), key)


def records_of(value: Any, key: str) -> list[Any]:
    """The records in a decoded body, as :func:`read_batch` takes them.

    Raises:
        InvalidRequestError: no record, or too many.
    """
    if isinstance(value, dict) and key in value:
        value = value[key]
        if not isinstance(value, list):
            raise InvalidRequestError(f"{key} must be an array, not {type(value).__name__}")
    records = value if isinstance(value, list) else [value]
    if not records:
        raise InvalidRequestError("the batch is empty", hint="send at least one record")
    if len(records) > MAX_BATCH:
        raise InvalidRequestError(f"the batch has {len(records)} records, at most {MAX_BATCH} are allowed")
    return records
