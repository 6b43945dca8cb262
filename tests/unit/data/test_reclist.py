"""Lists of recommendations: arrays and ids agree, padding never shows."""

import numpy as np
import pytest

from foretaste.data import Reason, RecList, RecLists, Vocabulary


@pytest.fixture
def lists() -> RecLists:
    return RecLists(
        np.array([[2, 0, 1], [1, -1, -1], [-1, -1, -1]], np.int32),
        np.array([[3.0, 2.0, 1.0], [5.0, np.nan, np.nan], [np.nan] * 3], np.float32),
        Vocabulary(["a", "b", "ç"]),
        ["u", None, "w"],
        source_codes=np.array([[0, 1, 0], [1, -1, -1], [-1, -1, -1]], np.int16),
        source_names=("als", "popular"),
    )


def test_a_list_has_ids_scores_and_sources_without_the_padding(lists: RecLists) -> None:
    assert (len(lists), lists.k, lists.lengths.tolist()) == (3, 3, [3, 1, 0])
    assert lists[0] == RecList(("ç", "a", "b"), (3.0, 2.0, 1.0), "u", ("als", "popular", "als"))
    assert lists[1] == RecList(("b",), (5.0,), None, ("popular",))
    assert (len(lists[2]), list(lists[2])) == (0, [])
    assert list(lists[0]) == [("ç", 3.0), ("a", 2.0), ("b", 1.0)]
    assert [one.user_id for one in lists] == ["u", None, "w"]
    assert lists[-1].user_id == "w"


def test_a_list_has_exactly_one_reason_an_item(lists: RecLists) -> None:
    why = Reason("popular")
    explained = lists.with_reasons([[why, None, why], [why, None, None], [None, None, None]])
    assert explained[0].reasons == (why, None, why)
    assert explained[1].reasons == (why,)
    assert explained[2].reasons == ()
    assert lists[0].reasons == ()


def test_the_frame_has_a_row_an_item_with_ranks_from_one(lists: RecLists) -> None:
    frame = lists.to_frame()
    assert frame.rows() == [("u", "ç", 1, 3.0), ("u", "a", 2, 2.0), ("u", "b", 3, 1.0), (None, "b", 1, 5.0)]
    assert frame.columns == ["user_id", "item_id", "rank", "score"]


def test_lists_of_nobody_make_an_empty_frame() -> None:
    nobody = RecLists(np.zeros((0, 5), np.int32), np.zeros((0, 5), np.float32), Vocabulary(["a"]))
    assert nobody.to_frame().shape == (0, 4)
    assert list(nobody) == []


def test_lists_without_user_ids_have_none() -> None:
    lists = RecLists(np.array([[0]], np.int32), np.array([[1.0]], np.float32), Vocabulary(["a"]))
    assert lists[0].user_id is None
    assert lists.to_frame()["user_id"].to_list() == [None]
