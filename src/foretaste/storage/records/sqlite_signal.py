"""A few bytes beside the SQLite file that change with every commit, shared between processes as memory."""

import contextlib
import mmap
import os
from pathlib import Path

SUFFIX = "-signal"
_SIZE = 8


class Signal:
    """Asks in a tenth of a microsecond whether anybody has written since; SQLite itself takes 4 µs to say so
    (``PRAGMA data_version``: opening a read transaction takes two file locks, whatever is read in it).

    Whoever commits puts a new random number there before the writer is answered, so a number that is still the same
    means that no answered write came after it was read. Numbers are random, not counted up, so that two processes
    which write at once can neither lose a change nor bring back an earlier number. Where the file cannot be had, there
    is no number, and nobody is told that nothing has changed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(path.name + SUFFIX)
        self._memory: mmap.mmap | None = None

    def open(self) -> None:
        """Map the file, made where there is none."""
        with contextlib.suppress(OSError, ValueError):
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                if os.fstat(handle).st_size < _SIZE:
                    # written, not only lengthened: a page without a place on a full disk would kill who touches it
                    os.pwrite(handle, os.urandom(_SIZE), 0)
                self._memory = mmap.mmap(handle, _SIZE)
            finally:
                os.close(handle)

    def close(self) -> None:
        """Give the memory back."""
        if self._memory is not None:
            self._memory.close()
        self._memory = None

    def ring(self) -> None:
        """Put a new number: something was committed."""
        if self._memory is not None:
            self._memory[:] = os.urandom(_SIZE)

    def token(self) -> bytes | None:
        """The number that stands there now; None when there is none."""
        return self._memory[:] if self._memory is not None else None
