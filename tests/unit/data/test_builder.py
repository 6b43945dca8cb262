"""Tables of every make become the same data set, and what is dropped is counted."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import sparse

from foretaste.data import BuildConfig, ColumnMap, Dataset, DatasetBuilder, Vocabulary, build_dataset
from foretaste.errors import ConfigurationError, DataFormatError, DataInsufficientError
from foretaste.events import Event

COLUMNS = {
    "user_id": ["ann", "bob", "ann", "cid"],
    "item_id": ["tea", "tea", "jam", "egg"],
    "rating": [5.0, 3.0, 1.0, 4.0],
    "timestamp": [30.0, 10.0, 20.0, 40.0],
}
RECORDS = [dict(zip(COLUMNS, row, strict=True)) for row in zip(*COLUMNS.values(), strict=True)]


def triples(data: Dataset) -> list[tuple[str, str, float]]:
    events = data.interactions
    return list(
        zip(
            data.users.ids_of(events.user_rows),
            data.items.ids_of(events.item_rows),
            events.weights.tolist(),
            strict=True,
        )
    )


@pytest.mark.parametrize(
    "table",
    [
        COLUMNS,
        RECORDS,
        pl.DataFrame(COLUMNS),
        pl.LazyFrame(COLUMNS),
        pd.DataFrame(COLUMNS),
        pd.DataFrame(COLUMNS).set_index("user_id"),
        pa.table(COLUMNS),
        pa.table(COLUMNS).to_reader(),
    ],
    ids=["dict", "records", "polars", "lazy", "pandas", "pandas index", "arrow", "arrow stream"],
)
def test_tables_of_every_make_give_the_same_data_set(table) -> None:
    data = build_dataset(table)
    assert triples(data) == [("ann", "jam", 1.0), ("ann", "tea", 5.0), ("bob", "tea", 3.0), ("cid", "egg", 4.0)]
    assert data.is_explicit
    assert data.duplicates == "last"
    assert data.interactions.type_names == ("rating",)
    assert data.interactions.timestamps.tolist() == [20.0, 30.0, 10.0, 40.0]


def test_rows_stand_in_order_of_first_appearance() -> None:
    data = build_dataset({"user_id": [9, 3, 9], "item_id": ["z", "a", "b"]})
    assert data.users.ids.to_list() == ["9", "3"]
    assert data.items.ids.to_list() == ["z", "a", "b"]


def test_a_user_table_added_first_gives_the_order_and_keeps_cold_users() -> None:
    data = build_dataset(
        {"user_id": ["c", "a"], "item_id": ["x", "x"]},
        users={"user_id": ["a", "b"], "age": [30, 40]},
        items=[{"item_id": "y", "title": "Why"}, {"item_id": "x", "title": "Ex"}],
    )
    assert data.users.ids.to_list() == ["a", "b", "c"]
    assert data.user_frame is not None
    assert data.user_frame["age"].to_list() == [30, 40, None]
    assert data.titles() == ["Why", "Ex"]


def test_cold_users_and_items_can_be_left_out() -> None:
    data = build_dataset(
        {"user_id": ["a"], "item_id": ["x"]},
        users={"user_id": ["a", "b"]},
        items={"item_id": ["y", "x"]},
        config={"keep_cold": False},
    )
    assert (data.users.ids.to_list(), data.items.ids.to_list()) == (["a"], ["x"])
    assert data.item_frame is not None
    assert data.item_frame["item_id"].to_list() == ["x"]


def test_interactions_with_ids_outside_the_frames_can_be_dropped() -> None:
    builder = DatasetBuilder(BuildConfig(unknown_ids="drop"))
    builder.add_items({"item_id": ["x"]})
    data = builder.add_interactions({"user_id": ["a", "a"], "item_id": ["x", "ghost"]}).build()
    assert data.n_interactions == 1
    assert builder.report.interactions.dropped["unknown_item"].count == 1
    assert "ghost" not in data.items


def test_known_vocabularies_keep_their_rows() -> None:
    known = build_dataset({"user_id": ["a", "b"], "item_id": ["x", "y"]})
    builder = DatasetBuilder(users=known.users, items=known.items)
    data = builder.add_interactions({"user_id": ["c", "b"], "item_id": ["y", "z"]}).build()
    assert data.users.ids.to_list() == ["a", "b", "c"]
    assert data.items.ids.to_list() == ["x", "y", "z"]
    same = DatasetBuilder(users=known.users, items=known.items)
    assert same.add_interactions({"user_id": ["b"], "item_id": ["x"]}).build().users is known.users


def test_whole_numbers_as_floats_lose_their_fraction_and_missing_ids_are_dropped() -> None:
    builder = DatasetBuilder()
    frame = pd.DataFrame({"user_id": [12.0, np.nan, 7.0], "item_id": [1, 2, 3]})
    data = builder.add_interactions(frame).build()
    assert data.users.ids.to_list() == ["12", "7"]
    assert builder.report.interactions.dropped["missing_user_id"].count == 1


def test_ids_that_are_empty_too_long_or_unprintable_are_dropped_with_examples() -> None:
    builder = DatasetBuilder()
    users = ["a", "", "  ", None, "u" * 1_000_000, "b\x00c", "d" * 256]
    data = builder.add_interactions({"user_id": users, "item_id": ["x"] * 7}).build()
    assert data.users.ids.to_list() == ["a", "d" * 256]
    dropped = builder.report.interactions.dropped
    assert {name: reason.count for name, reason in dropped.items()} == {
        "missing_user_id": 3,
        "user_id_too_long": 1,
        "user_id_unprintable": 1,
    }
    assert dropped["user_id_too_long"].examples[0].endswith("(1000000 characters)")
    assert len(builder.report.to_text()) < 1000


def test_sparse_matrix_keeps_its_rows_and_columns_even_empty_ones() -> None:
    matrix = sparse.csr_matrix(np.array([[0, 2.0, 0], [0, 0, 0], [1.0, 0, 3.0]]))
    data = build_dataset(matrix)
    np.testing.assert_array_equal(data.matrix().toarray(), matrix.toarray())
    named = DatasetBuilder().add_interactions(matrix, user_ids=["a", "b", "c"], item_ids=[10, 20, 30]).build()
    assert triples(named) == [("a", "20", 2.0), ("c", "10", 1.0), ("c", "30", 3.0)]
    assert named.users.ids.to_list() == ["a", "b", "c"]


def test_sparse_matrix_with_wrong_ids_is_refused() -> None:
    matrix = sparse.eye_array(3)
    with pytest.raises(DataFormatError, match="2 user_ids for a matrix with 3 users"):
        DatasetBuilder().add_interactions(matrix, user_ids=["a", "b"])
    with pytest.raises(DataFormatError, match="item_ids holds an id more than once"):
        DatasetBuilder().add_interactions(matrix, item_ids=["a", "b", "a"])
    with pytest.raises(ConfigurationError, match="sparse matrix only"):
        DatasetBuilder().add_interactions(COLUMNS, user_ids=["a"])


def test_events_count_once_by_their_id_across_calls() -> None:
    def event(number: int, item: str, type: str = "view", value: float | None = None) -> Event:  # noqa: A002
        return Event(
            event_id=f"e{number}", user_id="ann", item_id=item, type=type, value=value, timestamp=float(number)
        )

    builder = DatasetBuilder()
    builder.add_events([event(1, "tea"), event(2, "jam", "purchase"), event(1, "tea")])
    builder.add_events(iter([event(2, "jam", "purchase"), event(3, "egg", "skip")]))
    data = builder.build()
    assert triples(data) == [("ann", "tea", 1.0), ("ann", "jam", 5.0), ("ann", "egg", 0.0)]
    assert builder.report.interactions.dropped["event_id_seen_before"].count == 2
    assert not data.is_explicit


def test_a_plain_id_column_is_unique_within_its_own_table_only() -> None:
    builder = DatasetBuilder()
    builder.add_interactions({"id": [1, 2, 2], "user_id": ["a", "b", "c"], "item_id": ["x", "x", "x"]})
    builder.add_interactions({"id": [1], "user_id": ["d"], "item_id": ["x"]})
    assert builder.build().users.ids.to_list() == ["a", "b", "d"]


def test_links_become_rows_once_and_their_users_stay() -> None:
    builder = DatasetBuilder()
    builder.add_interactions({"user_id": ["a", "b"], "item_id": ["x", "x"]})
    builder.add_links({"source_id": ["a", "a", "b", "c", None], "target_id": ["b", "b", "b", "a", "a"]})
    data = builder.build()
    assert data.links is not None
    pairs = zip(data.users.ids_of(data.links[0]), data.users.ids_of(data.links[1]), strict=True)
    assert list(pairs) == [("a", "b"), ("c", "a")]
    dropped = {name: reason.count for name, reason in builder.report.links.dropped.items()}
    assert dropped == {"user_id_missing": 1, "link_to_oneself": 1, "link_again": 1}


def test_item_rows_given_twice_keep_the_last_and_are_counted() -> None:
    builder = DatasetBuilder()
    builder.add_items({"item_id": ["x", "y", "x"], "title": ["old", "why", "new"], "price": [1.0, 2.0, None]})
    builder.add_items({"item_id": ["y"], "title": [None], "brand": ["acme"]})
    data = builder.add_interactions({"user_id": ["a"], "item_id": ["x"]}).build()
    assert data.titles() == ["new", "why"]
    assert data.item_frame is not None
    assert data.item_frame["price"].to_list() == [None, 2.0]
    assert data.item_frame["brand"].to_list() == [None, "acme"]
    assert builder.report.items.dropped["id_again_the_last_kept"].count == 1


def test_well_known_title_columns_become_the_title() -> None:
    data = build_dataset({"user_id": ["a"], "item_id": ["x"]}, items={"product_id": ["x"], "product_name": ["Tea pot"]})
    assert data.titles() == ["Tea pot"]


def test_one_user_and_one_item_are_enough() -> None:
    data = build_dataset([{"user": 1, "item": 2}])
    assert (data.n_users, data.n_items, data.n_interactions) == (1, 1, 1)
    assert data.matrix().toarray().tolist() == [[1.0]]


@pytest.mark.parametrize("table", [[], {}, pl.DataFrame(), {"user_id": [], "item_id": []}])
def test_no_rows_is_an_error_of_its_own(table) -> None:
    with pytest.raises((DataInsufficientError, DataFormatError)) as raised:
        build_dataset(table)
    assert "no interactions" in str(raised.value) or "columns found: none" in str(raised.value)


def test_when_nothing_is_left_the_error_says_why() -> None:
    with pytest.raises(DataInsufficientError, match=r"2 rows read.*2 × value is not a number \(e.g. 'good', 'bad'\)"):
        build_dataset({"user_id": ["a", "b"], "item_id": ["x", "y"], "rating": ["good", "bad"]})


def test_missing_columns_are_named_with_those_found() -> None:
    with pytest.raises(DataFormatError, match="columns found: who, item_id") as raised:
        build_dataset({"who": ["a"], "item_id": ["x"]})
    assert 'ColumnMap(user="…")' in raised.value.hint
    data = build_dataset({"who": ["a"], "item_id": ["x"]}, columns=ColumnMap(user="who"))
    assert data.users.ids.to_list() == ["a"]


def test_a_column_map_that_names_no_column_suggests_the_near_one() -> None:
    with pytest.raises(DataFormatError, match="did you mean 'person'"):
        build_dataset({"person": ["a"], "item_id": ["x"]}, columns=ColumnMap(user="persn"))


@pytest.mark.parametrize("table", [42, "path.csv", [1, 2], object()])
def test_what_is_no_table_is_refused_clearly(table) -> None:
    with pytest.raises(DataFormatError, match="polars, pandas or Arrow"):
        build_dataset(table)


def test_id_columns_that_hold_lists_are_refused() -> None:
    with pytest.raises(DataFormatError, match="cannot be ids"):
        build_dataset({"user_id": [["a"], ["b"]], "item_id": ["x", "y"]})


def test_vocabularies_and_frames_agree_with_the_report() -> None:
    builder = DatasetBuilder(name="shop")
    builder.add_users({"user_id": ["a", None], "age": [1, 2]})
    data = builder.add_interactions({"user_id": ["a"], "item_id": ["x"], "colour": ["red"]}).build()
    report = builder.report.to_dict()
    assert report["interactions"]["unused_columns"] == ["colour"]
    assert report["users"] == {
        "read": 2,
        "kept": 1,
        "dropped": {"id_missing": {"count": 1, "examples": ["None"]}},
        "columns": {"user": "user_id"},
        "unused_columns": [],
    }
    assert data.name == "shop"
    assert isinstance(data.users, Vocabulary)
