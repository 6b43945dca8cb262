"""How the events of a visit count."""

import pytest
from pydantic import ValidationError

from foretaste.serving.cold.sessions import SessionConfig, in_session
from foretaste.serving.live.users import History


def history(n):
    return History(tuple(f"p-{p}" for p in range(n)), (1.0,) * n, (float("nan"),) * n)


def test_the_newest_event_counts_whole_and_older_ones_halve_down_to_the_least():
    found = in_session(history(9), SessionConfig(half_life=2.0, least=0.2)).importance
    assert found[-1] == 1.0
    assert found[-3] == pytest.approx(0.2 + 0.8 * 0.5)
    assert found[-5] == pytest.approx(0.2 + 0.8 * 0.25)
    assert list(found) == sorted(found)
    assert min(found) > 0.2


def test_a_least_of_one_weighs_all_alike():
    assert in_session(history(3), SessionConfig(least=1.0)).importance == (1.0, 1.0, 1.0)


@pytest.mark.parametrize("wrong", [{"half_life": 0.0}, {"least": 0.0}, {"least": 1.5}, {"least": -1.0}, {"lest": 0.5}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ValidationError):
        SessionConfig(**wrong)
