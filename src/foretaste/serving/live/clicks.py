"""Whether a new version's lists are clicked less, decided as soon as the data allow and not by looking too often."""

import math

MOST_USERS = 200_000
"""Users of each version that are followed."""


class ClickTest:
    """Watches two growing groups of users for the moment at which one clicks less, and may be asked after every click.

    It counts each user's first click. Were the new version ``max_drop`` worse at most, the next one would come from its
    group with a chance of at least ``n (1 - d) / (n (1 - d) + m)``, n and m being the users of the new and the old
    version who have not clicked yet. The evidence is the likelihood ratio of larger drops against that limit, averaged
    over a grid of drops. Its expectation never exceeds 1 while the new version is good enough, so by Ville's inequality
    it ever reaches ``1 / alpha`` with a chance of at most ``alpha``: looking often costs nothing.

    Source: ter Schure, Pérez-Ortiz, Ly, Grünwald 2020, «The anytime-valid logrank test», arXiv:2011.06931. Differs: a
    mixture of drops instead of one.
    """

    _RATIOS = tuple(r / 20 for r in range(1, 20))
    """How often the new version is clicked, in units of the least that is allowed."""

    def __init__(self, *, max_drop: float, alpha: float) -> None:
        self._keep, self._threshold = 1.0 - max_drop, math.log(1.0 / alpha)
        self._log_ratios = [0.0] * len(self._RATIOS)
        self._has_clicked: tuple[dict[str, bool], dict[str, bool]] = ({}, {})  # users of the old and of the new version
        self.clicks = [0, 0]

    def serve(self, user_id: str, *, is_new: bool) -> None:
        """A user got a list; only the first one counts, and of very many users only the first ``MOST_USERS``."""
        known = self._has_clicked[is_new]
        if len(known) < MOST_USERS:
            known.setdefault(user_id, False)

    def click(self, user_id: str, *, is_new: bool) -> None:
        """A user clicked on a list; only the first click of one who was served counts."""
        if self._has_clicked[is_new].get(user_id, True):
            return
        old, new = (served - clicked for served, clicked in zip(self.users, self.clicks, strict=True))
        n, m = new * self._keep, old
        self._has_clicked[is_new][user_id] = True
        self.clicks[is_new] += 1
        if n == 0 or m == 0:
            return
        limit = n / (n + m)
        for place, ratio in enumerate(self._RATIOS):
            chance = ratio * n / (ratio * n + m)
            gain = chance / limit if is_new else (1.0 - chance) / (1.0 - limit)
            self._log_ratios[place] += math.log(gain)

    @property
    def users(self) -> tuple[int, int]:
        """Users who were served by the old version and by the new one."""
        return len(self._has_clicked[0]), len(self._has_clicked[1])

    @property
    def evidence(self) -> float:
        """Natural logarithm of the evidence that the new version is worse than allowed; 0 at the start."""
        top = max(self._log_ratios)
        return top + math.log(sum(math.exp(r - top) for r in self._log_ratios) / len(self._log_ratios))

    def breach(self) -> str | None:
        """Why the new version must go back; None while the evidence does not reach."""
        if self.evidence < self._threshold:
            return None
        return (
            f"{self.clicks[1]} of {self.users[1]} users clicked on its lists, "
            f"{self.clicks[0]} of {self.users[0]} on the old ones"
        )
