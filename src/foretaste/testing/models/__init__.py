"""The contract of every model as tests that anybody can run on their own.

A model that is registered needs three lines, one that is not gives itself::

    from foretaste.testing.models import RecommenderContract

    class TestMyModel(RecommenderContract):
        model_name = "my_model"

    class TestMine(RecommenderContract):
        def make(self) -> Recommender:
            return MyModel(n_factors=8)
"""

import pytest

pytest.register_assert_rewrite(
    *(f"{__name__}.{part}" for part in ("compare", "lists", "users", "robustness", "saving", "writing"))
)

from foretaste.testing.models.lists import ListChecks  # noqa: E402 - after the registration above
from foretaste.testing.models.robustness import RobustnessChecks  # noqa: E402
from foretaste.testing.models.saving import SavingChecks  # noqa: E402
from foretaste.testing.models.users import UserChecks  # noqa: E402
from foretaste.testing.models.writing import WritingChecks  # noqa: E402


class RecommenderContract(ListChecks, UserChecks, RobustnessChecks, SavingChecks, WritingChecks):
    """All that a :class:`foretaste.models.Recommender` promises, as tests.

    Set ``model_name`` (and ``parameters``), or write ``make``. What a model cannot do by its flags must be refused, and
    is tested as such; nothing is skipped. See :class:`foretaste.testing.models.setup.ContractSetup` for what can be
    adjusted.
    """


__all__ = ["RecommenderContract"]
