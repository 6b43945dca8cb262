"""Vocabularies: ids to rows and back, for any text."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretaste.data import UNKNOWN_ROW, Vocabulary
from foretaste.errors import DataFormatError

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
id_lists = st.lists(texts, unique=True, max_size=30)


@given(id_lists)
def test_ids_come_back_from_their_rows_and_from_the_saved_form(ids: list[str]) -> None:
    vocabulary = Vocabulary(ids)
    assert vocabulary.rows(ids).tolist() == list(range(len(ids)))
    assert vocabulary.ids_of(np.arange(len(ids))) == ids
    assert [vocabulary.id(vocabulary.row(one)) for one in ids] == ids
    again = Vocabulary.from_arrays(*vocabulary.arrays())
    assert again == vocabulary
    assert again.ids.to_list() == ids
    assert hash(again) == hash(vocabulary)


@given(id_lists, st.lists(texts, max_size=10))
def test_unknown_ids_have_the_row_of_nobody(ids: list[str], asked: list[str]) -> None:
    slow = {one: row for row, one in enumerate(ids)}
    vocabulary = Vocabulary(ids)
    assert vocabulary.rows(asked).tolist() == [slow.get(one, UNKNOWN_ROW) for one in asked]
    assert [one in vocabulary for one in asked] == [one in slow for one in asked]


@given(id_lists, st.lists(texts, max_size=10))
def test_extending_keeps_known_rows_and_appends_new_ids_in_order(ids: list[str], more: list[str]) -> None:
    extended = Vocabulary(ids).extended(more)
    assert extended.ids.to_list() == list(dict.fromkeys([*ids, *more]))


@given(id_lists, id_lists)
def test_vocabularies_are_equal_exactly_when_their_ids_are(one: list[str], other: list[str]) -> None:
    assert (Vocabulary(one) == Vocabulary(other)) == (one == other)


def test_the_digest_depends_on_where_ids_end() -> None:
    assert Vocabulary(["ab", "c"]).digest != Vocabulary(["a", "bc"]).digest
    assert Vocabulary([]).digest != Vocabulary([""]).digest


def test_an_empty_vocabulary_knows_nobody() -> None:
    empty = Vocabulary([])
    assert len(empty) == 0
    assert empty.rows(["a"]).tolist() == [-1]
    assert empty.rows(pl.Series(["a"] * 10_001)).tolist() == [-1] * 10_001
    assert empty.ids_of([]) == []
    assert empty.extended(["a"]).row("a") == 0


@pytest.mark.parametrize("count", [5, 20_000])
def test_a_series_is_looked_up_alike_whether_short_or_long(count: int) -> None:
    vocabulary = Vocabulary([str(n) for n in range(0, 50_000, 2)])
    asked = pl.Series(np.arange(count))  # numbers, as a file may hold them
    rows = vocabulary.rows(asked)
    assert rows.dtype == np.int32
    assert rows.tolist() == [n // 2 if n % 2 == 0 else -1 for n in range(count)]
    with_gap = pl.concat([asked.cast(pl.String), pl.Series([None], dtype=pl.String)])
    assert vocabulary.rows(with_gap).tolist() == [*rows.tolist(), -1]


def test_ids_that_occur_twice_or_are_missing_are_refused() -> None:
    with pytest.raises(DataFormatError, match="more than once: 'a'"):
        Vocabulary(["a", "b", "a"])
    with pytest.raises(DataFormatError, match="1 ids are missing"):
        Vocabulary(pl.Series(["a", None]))


@pytest.mark.parametrize("ids", [[1, 2], ["a", 1], ["\ud800"]])
def test_what_is_no_text_is_refused(ids: list[str]) -> None:
    with pytest.raises(DataFormatError, match="valid text"):
        Vocabulary(ids)


@pytest.mark.parametrize("row", [-1, 2, 10**9])
def test_a_row_outside_is_an_error_and_never_another_id(row: int) -> None:
    vocabulary = Vocabulary(["a", "b"])
    with pytest.raises(IndexError, match="0 … 1"):
        vocabulary.id(row)
    with pytest.raises(IndexError, match="0 … 1"):
        vocabulary.ids_of([0, row])


@pytest.mark.parametrize(
    ("text", "offsets"),
    [
        (b"ab", [0, 1]),  # text left over
        (b"ab", [0, 3]),  # beyond the text
        (b"ab", [1, 2]),
        (b"ab", [0, 2, 1, 2]),  # backwards
        (b"ab", []),
        (b"aa", [0, 1, 2]),  # the same id twice
        (b"\xff\xfe", [0, 2]),  # not UTF-8
        ("é".encode(), [0, 1, 2]),  # cut inside a character
    ],
)
def test_a_damaged_saved_form_is_refused(text: bytes, offsets: list[int]) -> None:
    with pytest.raises(DataFormatError):
        Vocabulary.from_arrays(np.frombuffer(text, dtype=np.uint8), np.array(offsets, dtype=np.int64))


def test_offsets_of_a_wrong_type_are_refused() -> None:
    with pytest.raises(DataFormatError, match="offsets"):
        Vocabulary.from_arrays(np.zeros(1, np.uint8), np.array([0.0, 1.0]))  # type: ignore[arg-type]


def test_vocabularies_that_grow_out_of_one_do_not_see_each_others_ids():
    base = Vocabulary(["a", "b"])
    one, two = base.extended(["c", "d"]), base.extended(["d", "e"])
    longer = one.extended(["e"])
    assert [v.row("d") for v in (base, one, two, longer)] == [-1, 3, 2, 3]
    assert [v.row("e") for v in (base, one, two, longer)] == [-1, -1, 3, 4]
    assert ("c" in base, "c" in one, "c" in two) == (False, True, False)
    assert base.rows(["c", "a"]).tolist() == [-1, 0]
    assert longer.ids.to_list() == ["a", "b", "c", "d", "e"]


@pytest.mark.parametrize("n", [0, 1, 300, 301, 900])
def test_few_and_many_rows_give_the_same_ids(n):
    vocabulary = Vocabulary([f"i{row}" for row in range(50)])
    rows = np.random.default_rng(n).integers(50, size=n)
    assert vocabulary.ids_of(rows) == [f"i{row}" for row in rows.tolist()]
