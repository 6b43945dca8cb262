"""Sentences as a reader sees them."""

from dataclasses import replace

import pytest

from foretaste.data import Reason
from foretaste.explain import ENGLISH, sentence
from foretaste.models.baselines.popular import Popular
from foretaste.testing import tiny_shop

TITLES = {"p1": "Wool socks", "p2": "Rain jacket", "p3": "Day pack"}.get
THREE = Reason("because_items", ("p1", "p2", "p3"), (0.5, 0.3, 0.2), exact=True)
TWO = Reason("because_items", ("p1", "p2"), (0.5, 0.3))


@pytest.mark.parametrize(
    ("reason", "actions", "expected"),
    [
        (TWO, None, "Because of your interest in “Wool socks” and “Rain jacket”"),
        (THREE, None, "Because of your interest in “Wool socks”, “Rain jacket” and “Day pack”"),
        (TWO, {"p1": "purchase", "p2": "view"}, "Because you bought “Wool socks” and viewed “Rain jacket”"),
        (TWO, {"p1": "rating", "p2": "rating"}, "Because you rated “Wool socks” and “Rain jacket”"),
        (
            THREE,
            {"p1": "purchase", "p2": "view", "p3": "purchase"},
            "Because you bought “Wool socks” and “Day pack”, and viewed “Rain jacket”",
        ),
        (
            TWO,
            {"p1": "add_to_cart", "p2": "haggle"},
            "Because you put “Wool socks” in your cart and chose “Rain jacket”",
        ),
        (TWO, {"other": "purchase"}, "Because of your interest in “Wool socks” and “Rain jacket”"),
        (Reason("content", features=("wool", "navy")), None, "Shares tags: wool, navy"),
        (
            Reason("content", ("p1",), (1.0,), ("category: socks", "wool")),
            None,
            "Like “Wool socks” (category: socks; tags: wool)",
        ),
        (Reason("content", ("p1",), (1.0,)), {"p1": "like"}, "Because you liked “Wool socks”"),
        (Reason("similar_users"), None, "People with similar taste liked this"),
        (Reason("popular"), None, "Popular with many people"),
        (Reason("popular", features=("period: 7",)), None, "Popular this week"),
        (Reason("popular", features=("period: 0.5",)), None, "Popular today"),
        (Reason("popular", features=("period: 30",)), None, "Popular this month"),
        (Reason("popular", features=("period: 1000",)), None, "Popular with many people"),
        (Reason("popular", features=("category: shoes", "category: sale")), None, "Popular in shoes and sale"),
        (Reason("trending"), None, "Trending right now"),
        (Reason("top_rated"), None, "Rated highly by other people"),
        (Reason("new"), None, "New in the shop"),
        (Reason("friends"), None, "Friends of yours chose this"),
        (Reason("interests", features=("wool", "tea")), None, "Because you are interested in wool and tea"),
        (Reason("random"), None, "Something different to discover"),
        (Reason("because_items"), None, "Recommended for you"),
        (Reason("oracle"), None, "Recommended for you"),
    ],
)
def test_each_reason_has_its_sentence(reason, actions, expected):
    assert sentence(reason, TITLES, actions=actions) == expected


def test_no_id_is_shown_and_an_item_without_a_name_is_passed_over():
    named = {"p1": "Wool socks", "p2": ""}
    assert sentence(TWO, named.__getitem__) == "Because of your interest in “Wool socks”"
    assert sentence(TWO, lambda _: "") == "Recommended for you"


def test_braces_line_breaks_and_long_titles_do_no_harm():
    text = sentence(Reason("because_items", ("x",), (1.0,)), lambda _: "{items}\n" + "long " * 40)
    assert text.startswith("Because of your interest in “{items} long long")
    assert text.endswith("…”")
    assert len(text) < 100


def test_another_language_is_a_set_of_phrases():
    german = replace(
        ENGLISH,
        quoted="„{title}“",
        last_two=" und ",
        because="Weil Sie {actions} haben",
        verbs={"purchase": "{items} gekauft", "view": "{items} angesehen"},
    )
    text = sentence(TWO, TITLES, actions={"p1": "purchase", "p2": "view"}, language=german)
    assert text == "Weil Sie „Wool socks“ gekauft und „Rain jacket“ angesehen haben"


def test_popularity_says_its_period_or_its_category():
    shop = tiny_shop()
    week = Popular(window_days=7).fit(shop).recommend(["u-001"], 1, explain=True)[0]
    assert sentence(week.reasons[0], str) == "Popular this week"
    group = Popular(per="category").fit(shop).recommend(["u-001"], 1, explain=True)[0]
    assert sentence(group.reasons[0], str) in {f"Popular in {name}" for name in shop.item_frame["category"]}
