"""``foretaste keys``: who may use the service."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from foretaste.cli.options import ACTOR, AsJson, Home, parse_duration, settings_of
from foretaste.cli.output import note, print_json, print_table

if TYPE_CHECKING:
    from foretaste.serving.access import ApiKey

app = typer.Typer(help="Make, list and revoke API keys; make tokens for local use.", no_args_is_help=True)
Scopes = Annotated[
    list[str], typer.Option("--scope", "-s", help="events, read, write or admin; may be repeated.", show_default=False)
]


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="A name for people, e.g. of the program that will use it.")],
    scope: Scopes,
    expires: Annotated[str, typer.Option(help="When it ends: 90d, 12h … or never.")] = "never",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and print it, this once: only a hash of it is kept.

    The first key closes a service that was open; running servers see it within a twentieth of a second.
    """
    import asyncio
    import time

    from foretaste.serving.access import Audit, Keys
    from foretaste.serving.bootstrap import open_stores

    ttl_s = None if expires == "never" else parse_duration(expires)
    settings = settings_of(home)

    async def run() -> "tuple[ApiKey, str]":
        async with open_stores(settings) as stores:
            key, whole = await Keys(stores.records).create(name, scope, now=time.time(), ttl_s=ttl_s)
            details = {"name": key.name, "scopes": list(key.scopes)}
            await Audit(stores.records).note(ACTOR, "create_key", key.key_id, details=details)
            return key, whole

    key, whole = asyncio.run(run())
    if as_json:
        print_json({"id": key.key_id, "key": whole, "scopes": key.scopes, "expires_at": key.expires_at})
        return
    print(whole)
    note(f"key {key.key_id} for {key.name!r}: {', '.join(key.scopes)}, expires {_when(key.expires_at, 'never')}")
    note("keep it now: it is not shown again. Send it as «Authorization: Bearer KEY» or «X-API-Key: KEY».")


@app.command("list")
def list_keys(home: Home = None, as_json: AsJson = False) -> None:
    """List all keys, oldest first; revoked ones too."""
    import asyncio
    import time
    from dataclasses import asdict

    from foretaste.serving.access import Keys
    from foretaste.serving.bootstrap import open_stores

    settings = settings_of(home)

    async def run() -> "tuple[list[ApiKey], dict[str, float]]":
        async with open_stores(settings) as stores:
            keys = Keys(stores.records)
            by_id, _ = await keys.load()
            return sorted(by_id.values(), key=lambda key: (key.created_at, key.key_id)), await keys.last_used()

    found, used = asyncio.run(run())
    if as_json:
        shown = [{**asdict(key), "last_used": used.get(key.key_id)} for key in found]
        print_json([{name: value for name, value in key.items() if name != "hash"} for key in shown])
        return
    if not found:
        note("there is no key yet; next: foretaste keys create NAME --scope read")
        return
    now = time.time()
    rows = [
        (
            key.key_id,
            key.name,
            ", ".join(key.scopes),
            _when(key.created_at),
            _when(key.expires_at, "never"),
            _when(used.get(key.key_id)),
            "" if key.is_valid(now) else "revoked" if key.revoked_at is not None else "expired",
        )
        for key in found
    ]
    print_table(["id", "name", "scopes", "made (UTC)", "expires", "last used", ""], rows)


@app.command()
def revoke(
    key: Annotated[str, typer.Argument(help="Id or name of a key, as `foretaste keys list` shows it.")],
    home: Home = None,
) -> None:
    """End a key now; running servers refuse it within a twentieth of a second."""
    import asyncio
    import time

    from foretaste.serving.access import Audit, Keys
    from foretaste.serving.bootstrap import open_stores

    settings = settings_of(home)

    async def run() -> "ApiKey":
        async with open_stores(settings) as stores:
            ended = await Keys(stores.records).revoke(key, now=time.time())
            await Audit(stores.records).note(ACTOR, "revoke_key", ended.key_id, details={"name": ended.name})
            return ended

    ended = asyncio.run(run())
    note(f"key {ended.key_id} ({ended.name!r}) is revoked")


@app.command()
def token(
    scope: Scopes,
    ttl: Annotated[str, typer.Option(help="How long it is valid: 15min, 8h …")] = "1h",
    name: Annotated[str, typer.Option(help="Who it speaks for.")] = "local",
) -> None:
    """Make a token (JWT) signed with SECRET_KEY. It cannot be revoked before it ends, so keep it short."""
    import time

    from foretaste.errors import ConfigurationError
    from foretaste.serving.bootstrap import tokens_of

    tokens = tokens_of(settings_of(None))
    if tokens is None:
        raise ConfigurationError("there is no SECRET_KEY to sign with", hint="set it in the environment or in .env")
    print(tokens.make(name, scope, ttl_s=parse_duration(ttl), now=time.time()))


def _when(at: float | None, otherwise: str = "-") -> str:
    return otherwise if at is None else f"{datetime.fromtimestamp(at, tz=UTC):%Y-%m-%d %H:%M}"
