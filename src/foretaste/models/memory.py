"""How much memory a computation may still take, so that what cannot fit is refused before it starts."""

from pathlib import Path

from foretaste.errors import ModelTrainingError


def available_bytes() -> int | None:
    """Free memory: the least of what the system and the cgroup have left; None where neither can be read."""
    found = [left for left in (_system_bytes(), _cgroup_bytes()) if left is not None]
    return min(found) if found else None


def check_fits(needed_bytes: int, what: str, *, hint: str) -> None:
    """Refuse a computation that needs more than is free.

    Raises:
        ModelTrainingError: names both sizes.
    """
    free = available_bytes()
    if free is not None and needed_bytes > free:
        raise ModelTrainingError(
            f"{what} needs about {needed_bytes / 1e9:.1f} GB, {free / 1e9:.1f} GB are free",
            hint=hint,
            details={"needed_bytes": needed_bytes, "free_bytes": free},
        )


def _system_bytes() -> int | None:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return None


def _cgroup_bytes() -> int | None:
    folder = Path("/sys/fs/cgroup")
    try:
        limit = (folder / "memory.max").read_text().strip()
        return None if limit == "max" else int(limit) - int((folder / "memory.current").read_text())
    except (OSError, ValueError):
        return None
