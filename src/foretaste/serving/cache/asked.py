"""What is asked for beside the user: one object for each distinct question, so that it hashes in no time."""

from collections.abc import Sequence

MAX_KNOWN = 10_000
"""Distinct questions that are remembered."""


class Asked:
    """A question without its user; two equal ones of one :class:`Asking` are the same object."""

    __slots__ = ("category", "exclude", "explain", "k", "kind", "scenario")

    def __init__(
        self, kind: str, k: int, scenario: str, category: str | None, explain: bool, exclude: tuple[str, ...]
    ) -> None:
        self.kind, self.k, self.scenario, self.category = kind, k, scenario, category
        self.explain, self.exclude = explain, exclude

    @property
    def text(self) -> str:
        """All of it, to be hashed for a cache that other processes read."""
        return repr((self.kind, self.k, self.scenario, self.category, self.explain, self.exclude))


class Asking:
    """Hands out the one object of each distinct question."""

    def __init__(self, *, most: int = MAX_KNOWN) -> None:
        self._most = most
        self._known: dict[tuple[object, ...], Asked] = {}

    def __call__(
        self,
        kind: str,
        k: int,
        *,
        scenario: str = "default",
        category: str | None = None,
        explain: bool = False,
        exclude: Sequence[str] = (),
    ) -> Asked:
        """The question; the order of ``exclude``, and what stands in it twice, are of no account."""
        values = (kind, k, scenario, category, explain, tuple(sorted(set(exclude))))
        found = self._known.get(values)
        if found is None:
            if len(self._known) >= self._most:
                self._known.clear()  # entries under the old objects are not found again, and are evicted in time
            found = self._known[values] = Asked(*values)
        return found
