"""What was done, by whom: written to the record store, and to the log where that fails."""

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from foretaste.errors import StorageError
from foretaste.logs import get_logger
from foretaste.storage.records import AuditEntry, Records

log = get_logger(__name__)


class Audit:
    """The audit log. Entries name people who administer, never secrets, bodies or users of the shop."""

    def __init__(self, records: Records, *, clock: Callable[[], float] = time.time) -> None:
        self._records, self._clock = records, clock

    async def note(
        self,
        actor: str,
        action: str,
        subject: str = "",
        *,
        outcome: str = "ok",
        details: Mapping[str, Any] | None = None,
        request_id: str | None = None,
    ) -> None:
        """Keep one entry; when the store cannot, the entry stands in the log instead, and the action is not undone."""
        entry = AuditEntry(
            at=self._clock(),
            actor=actor,
            action=action,
            subject=subject,
            outcome=outcome,
            details=details or {},
            request_id=request_id,
        )
        try:
            await self._records.add_audit([entry])
        except StorageError as exc:
            log.error("audit_not_stored", actor=actor, action=action, subject=subject, outcome=outcome, error=str(exc))

    async def entries(self, *, after: int = 0, limit: int = 100) -> Sequence[AuditEntry]:
        """What was done, oldest first, of those above ``after``."""
        return await self._records.audit(after, limit)


def pseudonym(user_id: str) -> str:
    """What stands in the audit log for a user: shows whether it was this one to whoever knows the id, to nobody else.

    >>> pseudonym("u-42")
    'user:16ec525b74b75626'
    """
    return f"user:{hashlib.sha256(user_id.encode(errors='replace')).hexdigest()[:16]}"
