"""Slates, labels and the registry: what is refused and what is said."""

import numpy as np
import pytest
from pydantic import BaseModel, ValidationError

from foretaste.errors import ConfigurationError, UnknownNameError, UnknownParameterError
from foretaste.rerank import ItemView, Labels, RerankStep, Slate, create_reranker, parse_rerank
from foretaste.rerank.kernels import scale_relevance


def test_labels_number_the_values_and_know_the_first_of_each_item():
    labels = Labels.of([["drama", "war", "drama"], [], ["war"]])
    assert labels.names == ("drama", "war")
    assert labels.indptr.tolist() == [0, 2, 2, 3]
    assert labels.first.tolist() == [0, -1, 1]
    assert (labels.code("war"), labels.code("nothing")) == (1, -1)
    assert labels.n_items == 3


def test_codes_of_a_field_that_no_item_has_are_all_missing():
    assert ItemView(2).codes("colour").tolist() == [-1, -1]


@pytest.mark.parametrize(
    ("field", "values", "said"),
    [
        ("vectors", np.zeros((3, 4), np.float32), r"vectors \(3, 4\) do not fit a view of 2 items"),
        ("popularity", np.zeros(1), "popularity of 1 items does not fit a view of 2"),
    ],
)
def test_a_view_whose_parts_do_not_fit_is_refused(field, values, said):
    with pytest.raises(ConfigurationError, match=said):
        ItemView(2, **{field: values})


@pytest.mark.parametrize(
    ("scores", "relevance"),
    [
        ([4, 2, 0], [1, 0.5, 0]),
        ([1, 1, 1], [1, 1, 1]),
        ([np.nan, np.nan], [1, 1]),
        ([4, np.nan, 0], [1, 1, 0]),
        ([np.nan, 4, 2], [1, 1, 0]),
        ([0, 5, -5], [1, 1, 0]),
        ([np.inf, 3, -np.inf], [1, 1, 1]),
        ([3e38, -3e38], [1, 0]),
        ([], []),
    ],
)
def test_relevance_never_rises_along_the_list(scores, relevance):
    values = np.array(scores, dtype=np.float32)
    scale_relevance(values)
    assert values.tolist() == relevance


def test_a_slate_of_the_wrong_shapes_is_refused():
    rows = np.zeros((2, 3), np.int32)
    with pytest.raises(ConfigurationError, match="no slate"):
        Slate(rows, np.zeros((2, 2), np.float32), np.ones(2, int), ItemView(1))
    with pytest.raises(ConfigurationError, match="histories of 1 users"):
        Slate(rows, np.zeros((2, 3), np.float32), np.ones(2, int), ItemView(1), [rows[0]])


def test_an_unknown_kind_or_parameter_is_refused_with_the_valid_ones():
    with pytest.raises(UnknownNameError, match="did you mean 'mmr'"):
        create_reranker("mmrr")
    with pytest.raises(UnknownParameterError, match="valid ones: relevance, trade_off"):
        create_reranker("mmr", lambda_=0.5)
    with pytest.raises(ConfigurationError, match=r"trade_off = 1\.5 is wrong"):
        create_reranker("mmr", trade_off=1.5)
    with pytest.raises(ConfigurationError, match="kind"):
        parse_rerank({"trade_off": 0.5})


def test_a_field_of_steps_reads_any_kind_and_writes_it_whole():
    class Holder(BaseModel):
        rerank: tuple[RerankStep, ...]

    held = Holder.model_validate({"rerank": [{"kind": "mmr", "trade_off": 0.9}, {"kind": "dpp"}]})
    assert [step.kind for step in held.rerank] == ["mmr", "dpp"]
    assert Holder.model_validate(held.model_dump(mode="json")) == held
    with pytest.raises(ValidationError, match="there is no reranker"):
        Holder.model_validate({"rerank": [{"kind": "nothing"}]})
