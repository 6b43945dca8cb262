"""How the service is."""

from foretaste import __version__
from foretaste.errors import ForetasteError
from foretaste.serving.answers import Status
from foretaste.serving.live.models import LiveModels
from foretaste.storage.records import Records


async def status_of(records: Records, followed: LiveModels, *, uptime_s: float) -> Status:
    """Store, models and catalogue; never raises for a store that fails, but says what it said."""
    store = "ok"
    try:
        await records.ping()
    except ForetasteError as exc:
        store = str(exc)
    live, refused = followed.current, followed.refused
    model = "none" if live.bundle.version is None else "ok"
    if refused is not None:
        model = f"version {refused.version} was refused: {refused.why}"
    is_ready = store == "ok"
    healthy = is_ready and refused is None and followed.store_error is None
    return Status(
        ready=is_ready,
        state="ok" if healthy else "degraded" if is_ready else "down",
        version=__version__,
        model_version=live.bundle.label,
        models=tuple(sorted(live.bundle.models)),
        store=store,
        model=model,
        uptime_s=uptime_s,
        details={
            "pipeline": live.pipeline.config.name,
            "scenarios": sorted(live.pipeline.config.scenarios),
            "items": int(live.catalogue.allowed.sum()),
            "users_in_model": len(live.bundle.users),
            "items_in_model": len(live.bundle.items),
        },
    )
