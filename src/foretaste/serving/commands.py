"""What an administrator does to a running service: sets parameters, has it look for news, has it trained."""

import time
from collections.abc import Mapping
from typing import Any

from foretaste.errors import ConflictError
from foretaste.serving.live.models import LiveModels
from foretaste.serving.live.parameters import PARAMETERS, changed, parameters_of, with_parameters
from foretaste.serving.live.retraining import KEY, WISH
from foretaste.storage.records import Records


class Commands:
    """Single parameters, reloading and training; every worker follows."""

    def __init__(self, records: Records, live: LiveModels) -> None:
        self._records, self._live = records, live
        self.can_train = False
        """Whether this process has somebody who trains (see :class:`foretaste.serving.live.retraining.Retraining`)."""

    async def parameters(self) -> dict[str, Any]:
        """All parameters with the values that serve now, those that were set, and their version."""
        values, version = await self._records.get_value(PARAMETERS)
        return {
            "parameters": parameters_of(self._live.current.pipeline.config),
            "set": dict(values or {}),
            "version": version,
        }

    async def set_parameters(self, changes: Mapping[str, Any]) -> int:
        """Set some parameters, or take them back (None); the next list follows. Returns the new version of all.

        Raises:
            ConfigurationError: one does not exist, or its value is wrong; nothing changes.
            NotFoundError: one that is taken back was not set.
            ConflictError: somebody else set one in the same moment; nothing changes.
        """
        values, version = await self._records.get_value(PARAMETERS)
        wanted = {name: value for name, value in changes.items() if value is not None}
        made = changed(values or {}, changes)
        with_parameters(self._live.current.described, wanted)
        version = await self._records.put_value(PARAMETERS, made, expected_version=version)
        await self._live.steer((await self._records.stamp("")).shared)
        return version

    async def reload(self) -> str | None:
        """Look for another live version, changed items, rules and parameters now; returns the version that serves."""
        await self._live.refresh()
        return self._live.current.bundle.version

    async def retrain(self) -> None:
        """Have the models trained as soon as nobody trains already; the result goes live as a scheduled one does.

        Raises:
            ConflictError: nobody in this process could.
        """
        if not self.can_train:
            raise ConflictError("this process does not train models", hint="start it with: foretaste serve")
        await self._records.put_value(WISH, {"at": time.time()}, changes_lists=False)

    async def training(self) -> dict[str, Any]:
        """Whether somebody trains, or is to, and how the last training of the schedule or by command ended."""
        found, _ = await self._records.get_value(KEY)
        wish, wishes = await self._records.get_value(WISH)
        value: Mapping[str, Any] = found if isinstance(found, Mapping) else {}
        is_running = "holder" in value and time.time() < float(value.get("until", 0.0))
        return {
            "is_running": is_running,
            "is_wanted": wish is not None and wishes > int(value.get("wish", 0)),
            "ended_at": value.get("ended_at"),
            "error": value.get("error"),
        }

    async def take_retrained(self, version: str) -> None:
        """Bring in what was trained: at once (loaded, tried, then watched), or in steps as the live pipeline says.

        Raises:
            NotFoundError: no such version.
            CorruptStateError, ModelError: it cannot be served; the live one stays.
        """
        await self._live.promote(version, self._live.rollout.usual_steps(), actor="schedule")
