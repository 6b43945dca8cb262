"""Training on schedule and by command: one worker of all trains, in a process of its own, and the result goes through
the rollout.
"""

import asyncio
import json
import math
import os
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Self

from foretaste.errors import ConflictError, ForetasteError, ModelTrainingError
from foretaste.logs import get_logger
from foretaste.storage.records import Records

KEY = "retraining"
WISH = "retraining_wish"
"""Shared value that is put when somebody wants a training now; its version tells wishes apart."""
LEASE_S = 60.0
"""A worker that has not renewed its claim for so long is taken for dead."""
LONGEST_LOOK_S = 2.0
"""Longest time between two looks whether it is time."""
NICENESS = 10
"""Of the training process: requests come first."""
Train = Callable[[], Awaitable[str]]
"""Trains and publishes; returns the version."""
GoLive = Callable[[str], Awaitable[object]]
log = get_logger(__name__)


class Retraining:
    """Trains when it is wished for, and every ``interval_s`` seconds (None: never), counted from the end of the last
    training of any worker.

    The shared value ``retraining`` holds who trains until when, and when the last one ended; it is claimed with
    compare-and-set, and renewed while the training runs. A training that fails is logged and tried again an interval
    later. Wishes from before a training began are met by it.
    """

    def __init__(
        self,
        records: Records,
        *,
        interval_s: float | None,
        train: Train,
        go_live: GoLive,
        worker: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._records, self._interval_s, self._train, self._go_live = records, interval_s, train, go_live
        self._worker, self._clock = worker, clock
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name="foretaste-retraining")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            try:
                await self.look()
            except ForetasteError as exc:
                log.warning("retraining_failed", error=str(exc))
            await asyncio.sleep(min(LONGEST_LOOK_S, (self._interval_s or math.inf) / 4))

    async def look(self) -> bool:
        """Train if it is time and nobody else does; whether it was done.

        Raises:
            StorageError: the store cannot be read or written.
        """
        wish, wishes = await self._records.get_value(WISH)
        found, version = await self._records.get_value(KEY)
        value: Mapping[str, Any] = found if isinstance(found, Mapping) else {}
        now = self._clock()
        ended_at, met = float(value.get("ended_at", math.inf)), int(value.get("wish", 0))
        if ended_at > now:  # the first time, or by a clock that was ahead: count from now
            await self._put({"ended_at": now, "wish": met}, version)
            return False
        is_due = self._interval_s is not None and now - ended_at >= self._interval_s
        is_wanted = wish is not None and wishes > met
        is_claimed = now < float(value.get("until", 0.0)) <= now + LEASE_S
        if not (is_due or is_wanted) or (is_claimed and value.get("holder") != self._worker):
            return False
        if not await self._put(self._claim(ended_at, met), version):
            return False
        await self._train_claimed(ended_at, met, wishes)
        return True

    async def _train_claimed(self, ended_at: float, met: int, wishes: int) -> None:
        start = time.monotonic()
        renewing = asyncio.create_task(self._renew(ended_at, met))
        error: str | None = None
        try:
            version = await self._train()
            await self._go_live(version)
            log.info("retrained", version=version, seconds=round(time.monotonic() - start, 1))
        except ForetasteError as exc:
            error = str(exc)
            log.error("retraining_failed", error=error)
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)
        ended = {"ended_at": self._clock(), "error": error, "wish": wishes}
        await self._records.put_value(KEY, ended, changes_lists=False)

    async def _renew(self, ended_at: float, met: int) -> None:
        while True:
            await asyncio.sleep(LEASE_S / 3)
            with suppress(ForetasteError):
                await self._records.put_value(KEY, self._claim(ended_at, met), changes_lists=False)

    def _claim(self, ended_at: float, met: int) -> dict[str, Any]:
        return {"ended_at": ended_at, "wish": met, "holder": self._worker, "until": self._clock() + LEASE_S}

    async def _put(self, value: Mapping[str, Any], version: int) -> bool:
        try:
            await self._records.put_value(KEY, dict(value), expected_version=version, changes_lists=False)
        except ConflictError:  # another worker was faster
            return False
        return True


async def train_in_child(variables: Mapping[str, str]) -> str:
    """Train in a process of its own with lower priority, so that requests here are not slowed; returns the version.

    Args:
        variables: settings as environment variables, beside those of this process.

    Raises:
        ModelTrainingError: it failed; with the end of what it said.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "from foretaste.cli import main; main()",
        "train",
        "--no-promote",
        "--json",
        env={**os.environ, **variables},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    with suppress(OSError, AttributeError):  # gone already, or a system without priorities
        os.setpriority(os.PRIO_PROCESS, process.pid, NICENESS)
    try:
        out, err = await process.communicate()
    except asyncio.CancelledError:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
        raise
    if process.returncode:
        end = err[-500:].decode("utf-8", "replace")
        raise ModelTrainingError(f"the training process ended with {process.returncode}: {end}")
    try:
        return str(json.loads(out)["version"])
    except (ValueError, KeyError, TypeError) as exc:
        raise ModelTrainingError(f"the training process said {out[-200:]!r} instead of a version") from exc
