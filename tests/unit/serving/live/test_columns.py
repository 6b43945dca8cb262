import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from foretaste.serving.live.column_changes import changed_columns, taken_columns
from foretaste.serving.live.columns import MAX_COLUMNS, ItemColumns, plain_value


def columns_of(items):
    return changed_columns(ItemColumns(0), range(len(items)), items, n_rows=len(items))


def value_at(columns, name, row):
    """What the columns hold, as ``plain_value`` gives it."""
    column = columns.get(name)
    if column is None:
        return ("missing", None)
    if column.numbers is not None and not np.isnan(column.numbers[row]):
        return ("number", float(column.numbers[row]))
    if column.flags is not None and column.flags[row] >= 0:
        return ("flag", int(column.flags[row]))
    if column.text is not None and column.text.codes[row] >= 0:
        return ("text", column.text.words.words[column.text.codes[row]])
    if column.lists is not None and column.lists.lengths[row]:
        return ("list", tuple(column.lists.words.words[code] for code in column.lists.row(row)))
    return ("other" if column.others is not None and column.others[row] else "missing", None)


def test_values_become_numbers_texts_flags_lists_and_dates():
    assert plain_value(3) == ("number", 3.0)
    assert plain_value(True) == ("flag", 1)
    assert plain_value("2026-01-01") == ("number", 1_767_225_600.0)
    assert plain_value("2026-01-01T01:00:00+01:00") == ("number", 1_767_225_600.0)
    assert plain_value("2026-99-01") == ("text", "2026-99-01")
    assert plain_value(["a", 1, "a", None, {}]) == ("list", ("a", 1.0))
    assert plain_value(10**400) == ("other", None)
    assert [plain_value(empty)[0] for empty in (None, "", [], float("nan"))] == ["missing"] * 4
    assert [plain_value(much)[0] for much in ({}, "x" * 257, [{}])] == ["other"] * 3


def test_a_change_copies_only_the_columns_that_differ():
    before = columns_of([{"price": 1, "brand": "a", "tags": ["x"]}, {"price": 2, "brand": "b", "tags": ["y", "z"]}])
    after = changed_columns(before, [1], [{"price": 3, "brand": "b", "tags": ["y", "z"]}], n_rows=2)
    assert after["brand"] is before["brand"]
    assert after["tags"] is before["tags"]
    assert before["price"].numbers.tolist() == [1.0, 2.0]
    assert after["price"].numbers.tolist() == [1.0, 3.0]


def test_equal_values_have_equal_codes_whatever_their_kind():
    columns = columns_of([{"a": "x"}, {"a": 3}, {"a": "x"}, {}, {"a": ["k", "x"]}, {"a": True}, {"a": 3.0}])
    codes = columns.codes("a")
    assert codes[0] == codes[2]
    assert codes[1] == codes[6]
    assert codes[3] == -1
    assert len(set(codes[[0, 1, 4, 5]].tolist())) == 4
    assert columns.codes("absent").tolist() == [-1] * 7


def test_more_attributes_than_there_is_room_for_are_counted():
    columns = columns_of([{f"a{n}": n for n in range(MAX_COLUMNS + 5)}])
    assert len(columns) == MAX_COLUMNS
    assert columns.dropped == 5


def test_words_and_elements_that_nobody_uses_are_given_up():
    columns = columns_of([{"a": "start", "b": ["start"]}])
    for n in range(5_000):
        columns = changed_columns(columns, [0], [{"a": f"word {n}", "b": [n, n + 1]}], n_rows=1)
    assert len(columns["a"].text.words) < 2_000
    assert len(columns["b"].lists.codes) < 2_000
    assert value_at(columns, "a", 0) == ("text", "word 4999")
    assert value_at(columns, "b", 0) == ("list", (4999.0, 5000.0))


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from(["a", "b", "2026-01-01", "x" * 300]),
    st.lists(st.sampled_from(["a", "b", 1, 2]), max_size=3), st.just({}),
)  # fmt: skip
ATTRIBUTES = st.dictionaries(st.sampled_from("pqr"), VALUES, max_size=3)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.dictionaries(st.integers(0, 7), ATTRIBUTES, min_size=1, max_size=4), max_size=5), st.randoms())
def test_many_changes_give_what_the_newest_records_say(changes, random):
    columns, wanted, n_rows = ItemColumns(0), {}, 0
    for change in changes:
        n_rows = max(n_rows, max(change) + 1)
        columns = changed_columns(columns, list(change), list(change.values()), n_rows=n_rows)
        wanted |= change
        for name in "pqr":
            for row in range(n_rows):
                assert value_at(columns, name, row) == plain_value(wanted.get(row, {}).get(name))
    rows = [*range(n_rows), -1]
    random.shuffle(rows)
    taken = taken_columns(columns, np.array(rows))
    for name in columns:
        for place, row in enumerate(rows):
            old = value_at(columns, name, row) if row >= 0 else ("missing", None)
            assert value_at(taken, name, place) == old
