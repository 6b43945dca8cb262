"""What a column is, told by its values."""

from datetime import date, datetime

import polars as pl
import pytest

from foretaste.data.feature_types import infer_features
from foretaste.errors import DataFormatError


def inferred(values, name: str = "column"):
    frame = pl.DataFrame({"item_id": [str(i) for i in range(len(values))], name: values}, strict=False)
    typed, kinds = infer_features(frame, {}, skip="item_id")
    return kinds.get(name), typed[name]


@pytest.mark.parametrize(
    ("values", "kind", "dtype"),
    [
        ([1.5, None, 3.0], "numeric", pl.Float64),
        (["1", "2", None], "numeric", pl.Int64),
        (["1.5", "2", ""], "numeric", pl.Float64),
        ([True, False, None], "categorical", pl.String),
        (["red", "blue", "red"], "categorical", pl.String),
        (["Drama|War", "Comedy|Drama", "War|Comedy", "Drama"], "list", pl.List(pl.String)),
        (["a, b", "b, c", "a, c", "c"], "list", pl.List(pl.String)),
        ([["a"], ["b", "c"], None], "list", pl.List(pl.String)),
        (["2020-01-01", "2021-05-06", None], "date", pl.Date),
        (["01-Jan-1995", "02-Feb-1996", "03-Mar-1997"], "date", pl.Date),
        (["2020-01-01 10:00:00", "2021-05-06 11:12:13", None], "date", pl.Datetime("us")),
        ([date(2020, 1, 1), None, date(2021, 1, 1)], "date", pl.Date),
        ([datetime(2020, 1, 1), None], "date", pl.Datetime("us")),
        (["a soft red scarf of wool", "two large blue mugs, hand made", "x y z w v"], "text", pl.String),
        (["http://a.example/1", "https://a.example/2", None], None, pl.String),
        ([None, None], None, None),
        ([{"a": 1}, {"a": 2}], None, None),
        ([[0.1, 0.2], [0.3, 0.4]], None, None),
    ],
)
def test_kinds_are_inferred_from_values(values, kind, dtype) -> None:
    found, column = inferred(values)
    assert found == kind
    assert dtype is None or column.dtype == dtype


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        ("zip_code", ["85711", "94043", "32067"], "categorical"),
        ("category_id", [1, 2, 3], "categorical"),
        ("brandId", [1, 2, 3], "categorical"),
        ("price", [1, 2, 3], "numeric"),
        ("title", ["Heat", "Alien", "Heat"], "text"),
        ("description", ["red|soft", "red|hard", "red|soft"], "text"),
    ],
)
def test_names_of_codes_and_titles_count(name, values, kind) -> None:
    assert inferred(values, name)[0] == kind


def test_lists_are_split_and_trimmed() -> None:
    assert inferred(["a| b", "b|c|", "a|c", None])[1].to_list() == [["a", "b"], ["b", "c"], ["a", "c"], None]


def test_sentences_with_commas_are_no_lists() -> None:
    values = [f"word{i}, other{i}, and more{i} of it" for i in range(30)]
    assert inferred(values)[0] == "text"


def test_many_different_short_names_are_text_or_category_by_their_share() -> None:
    assert inferred([f"brand {i % 40}" for i in range(400)])[0] == "categorical"
    assert inferred([f"red thing {i}" for i in range(400)])[0] == "text"


def test_declared_kinds_win() -> None:
    frame = pl.DataFrame({"item_id": ["1", "2"], "size": [1, 2], "tags": ["a,b", "c"], "day": ["2020-01-01", "x"]})
    typed, kinds = infer_features(frame, {"size": "categorical", "tags": "list", "day": "date"}, skip="item_id")
    assert kinds == {"size": "categorical", "tags": "list", "day": "date"}
    assert typed["size"].to_list() == ["1", "2"]
    assert typed["tags"].to_list() == [["a", "b"], ["c"]]
    assert typed["day"].to_list()[1] is None


def test_declared_kinds_that_cannot_be_are_refused() -> None:
    frame = pl.DataFrame({"item_id": ["1"], "colour": ["red"]})
    with pytest.raises(DataFormatError, match="'colour' is declared numeric, but no value is, such as 'red'"):
        infer_features(frame, {"colour": "numeric"}, skip="item_id")
    with pytest.raises(DataFormatError, match="'size' is declared but no such column"):
        infer_features(frame, {"size": "numeric"}, skip="item_id")
