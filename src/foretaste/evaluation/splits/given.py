"""A split that somebody else made: train and test come as two data sets."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import polars as pl

from foretaste.data import Dataset, Interactions, Vocabulary
from foretaste.errors import DataInsufficientError
from foretaste.evaluation.splits.base import Split


def given_split(train: Dataset, test: Dataset, *, name: str = "given") -> Split:
    """The split of two data sets, brought to one pair of vocabularies.

    They are those of train, with what only test has appended. Features and links come from train; what only test has
    is without features (null).

    Raises:
        DataInsufficientError: a part is empty, or no test user is in train.
    """
    for part, data in (("train", train), ("test", test)):
        if data.n_interactions == 0:
            raise DataInsufficientError(f"the {part} part {data.name!r} has no interactions")
    users, items = _joined(train.users, test.users), _joined(train.items, test.items)
    if not np.isin(users.rows(test.users.ids)[test.interactions.user_rows], train.interactions.user_rows).any():
        raise DataInsufficientError(
            f"no user of the test part {test.name!r} is in the train part {train.name!r}", hint="check the user ids"
        )
    moved = _moved(test.interactions, users.rows(test.users.ids), items.rows(test.items.ids))
    learn = replace(
        train,
        users=users,
        items=items,
        user_frame=_grown(train.user_frame, users),
        item_frame=_grown(train.item_frame, items),
    )
    return Split(
        learn,
        learn.with_interactions(moved, name=test.name),
        name,
        f"given split: train {train.n_interactions}, test {test.n_interactions} interactions",
    )


def _joined(first: Vocabulary, second: Vocabulary) -> Vocabulary:
    return first if first == second else first.extended(second.ids.to_list())


def _grown(frame: pl.DataFrame | None, vocabulary: Vocabulary) -> pl.DataFrame | None:
    if frame is None or len(frame) == len(vocabulary):
        return frame
    fresh = vocabulary.ids.slice(len(frame)).alias(frame.columns[0])
    return pl.concat([frame, fresh.to_frame()], how="diagonal")


def _moved(
    interactions: Interactions, user_rows: npt.NDArray[np.int32], item_rows: npt.NDArray[np.int32]
) -> Interactions:
    moved = replace(
        interactions,
        user_rows=user_rows[interactions.user_rows],
        item_rows=item_rows[interactions.item_rows],
    )
    return moved.sorted()
