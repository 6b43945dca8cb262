"""What a contract class is told about its model, and the data and fitted model that its tests share."""

from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar

import pytest

from foretaste.data import Dataset
from foretaste.errors import ConfigurationError
from foretaste.models import Recommender, create_model
from foretaste.testing.toy import tiny_shop


@cache
def _shop() -> Dataset:
    return tiny_shop()


class ContractSetup:
    """What can be adjusted for a model, and the fixtures of the tests."""

    model_name: ClassVar[str] = ""
    """The registered name; or write ``make``."""
    parameters: ClassVar[Mapping[str, Any]] = {}
    """Parameters for it, e.g. fewer epochs to be quick."""
    score_tolerance: ClassVar[float] = 1e-4
    """Relative difference allowed between two ways to the same score."""
    fold_in_overlap: ClassVar[float] = 0.9
    """Share of a known user's list that a stranger with the same history must get."""
    update_overlap: ClassVar[float] = 0.6
    """Share of the lists of a fresh fit that an updated model must give."""
    learns_taste: ClassVar[bool | None] = None
    """Whether users with other histories get other lists; None judges by the flags."""

    _fitted: ClassVar[Recommender]

    def make(self) -> Recommender:
        """A new model, not fitted."""
        if not self.model_name:
            raise ConfigurationError("a contract class needs model_name or make()")
        return create_model(self.model_name, **self.parameters)

    def make_data(self) -> Dataset:
        """The data of most tests: 36 users, 24 items; the last user and each sixth item have no interactions."""
        return _shop()

    @pytest.fixture
    def data(self) -> Dataset:
        return self.make_data()

    @pytest.fixture
    def model(self, data: Dataset) -> Recommender:
        cls = type(self)
        if "_fitted" not in vars(cls):  # fitted once for a class: tests only ask it
            cls._fitted = self.make().fit(data)
        return cls._fitted

    def is_personal(self, model: Recommender) -> bool:
        """Whether lists must depend on the history."""
        if self.learns_taste is not None:
            return self.learns_taste
        return model.finds_similar_items or not model.scores_without_history
