"""The sample shop looks like a shop: sizes, funnel, sessions, seasons, long tail, and a taste that can be found."""

import numpy as np
import polars as pl
import pytest

from foretaste.data.sampling import SampleConfig, SampleData, generate_sample
from foretaste.data.sampling.activity import TYPES, events_per_user
from foretaste.errors import ConfigurationError, UnknownParameterError


@pytest.fixture(scope="module")
def shop() -> SampleData:
    return generate_sample(SampleConfig.of(n_users=800, n_items=400, n_events=40_000, seed=3))


@pytest.fixture(scope="module")
def events(shop: SampleData) -> pl.DataFrame:
    """Interactions with the rows of their users and items and with what is known of the items."""
    users = shop.users.with_row_index("user_row").select("user_id", "user_row", "signup")
    items = shop.items.with_row_index("item_row").select("item_id", "item_row", "category", "published")
    return shop.interactions.join(users, on="user_id", maintain_order="left").join(
        items, on="item_id", maintain_order="left"
    )


def test_the_sample_has_exactly_the_sizes_asked_for(shop: SampleData) -> None:
    assert (len(shop.users), len(shop.items), len(shop.interactions)) == (800, 400, 40_000)
    assert shop.interactions.columns == [
        "user_id", "item_id", "type", "value", "timestamp", "session_id", "event_id",
    ]  # fmt: skip
    assert shop.interactions.drop("value").null_count().sum_horizontal().item() == 0


@pytest.mark.parametrize(("n_users", "n_items", "n_events"), [(1, 1, 1), (1, 1, 40), (2, 1, 3), (3, 500, 1_000)])
def test_the_smallest_shops_can_be_made(n_users: int, n_items: int, n_events: int) -> None:
    shop = generate_sample(SampleConfig.of(n_users=n_users, n_items=n_items, n_events=n_events, days=10))
    assert len(shop.interactions) == n_events
    assert len(shop.users) == n_users
    assert len(shop.items) == n_items


def test_every_event_names_a_user_and_an_item_of_the_shop(shop: SampleData, events: pl.DataFrame) -> None:
    assert len(events) == len(shop.interactions)  # the inner joins lost nothing
    assert shop.users["user_id"].is_unique().all()
    assert shop.items["item_id"].is_unique().all()
    assert shop.interactions["event_id"].is_unique().all()


def test_ids_have_one_width_and_sort_as_their_rows(shop: SampleData) -> None:
    assert shop.users["user_id"][7] == "u-00007"
    assert shop.items["item_id"][42] == "p-00042"
    assert shop.users["user_id"].is_sorted()


def test_items_have_readable_text_of_their_own_department(shop: SampleData) -> None:
    item = shop.items.row(0, named=True)
    assert item["title"].count(", ") >= 1
    assert item["title"][0].isupper()
    assert "{" not in item["description"]
    assert item["description"].endswith(".")
    assert shop.items["description"].str.len_chars().min() > 30
    assert shop.items.select((pl.col("tags").list.n_unique() == 3).all()).item()
    assert shop.items.group_by("category").agg(pl.col("department").n_unique())["department"].max() == 1


def test_prices_are_positive_and_log_normal_around_their_department(shop: SampleData) -> None:
    assert shop.items["price"].min() > 0
    medians = dict(shop.items.group_by("department").agg(pl.col("price").median()).iter_rows())
    assert medians["Electronics"] > 2 * medians["Books"]


def test_people_have_demographics_and_declared_interests_from_the_category_tree(shop: SampleData) -> None:
    assert shop.users["age"].is_between(14, 95).all()
    assert set(shop.users["gender"].unique()) <= {"female", "male", "other"}
    told = shop.users.select(pl.col("interests").explode().drop_nulls()).to_series()
    assert 0 < len(told) < 3 * len(shop.users)
    assert shop.users.select((pl.col("interests").list.n_unique() == pl.col("interests").list.len()).all()).item()


def test_some_users_signed_up_and_did_nothing(shop: SampleData) -> None:
    assert shop.interactions["user_id"].n_unique() < len(shop.users)


def test_events_are_sorted_by_user_and_then_by_time_inside_the_span(shop: SampleData) -> None:
    events = shop.interactions
    assert events.equals(events.sort("user_id", "timestamp", maintain_order=True))
    assert events["timestamp"].min() >= shop.config.start_s
    assert events["timestamp"].max() < shop.config.start_s + shop.config.days * 86_400


def test_nobody_acts_before_signing_up_nor_on_an_item_before_it_is_published(events: pl.DataFrame) -> None:
    day = pl.from_epoch(pl.col("timestamp"), time_unit="s").dt.date()
    assert events.select((day >= pl.col("signup")).all()).item()
    assert events.select((day >= pl.col("published")).all()).item()


def test_new_items_are_taken_after_they_appear(shop: SampleData, events: pl.DataFrame) -> None:
    fresh = events.filter(pl.col("published") >= shop.config.start)
    assert fresh["item_id"].n_unique() > 0.5 * (shop.items["published"] >= shop.config.start).sum()


def test_the_funnel_narrows_from_view_to_purchase(shop: SampleData) -> None:
    counts = dict(shop.interactions["type"].value_counts().iter_rows())
    assert set(counts) == set(TYPES)
    assert counts["view"] > counts["click"] > counts["add_to_cart"] > counts["purchase"] > counts["rating"] > 0


def test_a_purchase_follows_a_view_a_click_and_the_cart_in_its_session(shop: SampleData) -> None:
    firsts = shop.interactions.group_by("session_id", "item_id").agg(
        pl.col("timestamp").filter(pl.col("type") == kind).min().alias(kind)
        for kind in ("view", "click", "add_to_cart", "purchase")
    )
    bought = firsts.filter(pl.col("purchase").is_not_null())
    assert len(bought) > 500
    in_order = (pl.col("view") < pl.col("click")) & (pl.col("click") < pl.col("add_to_cart"))
    ends_last = bought.select(in_order & (pl.col("add_to_cart") < pl.col("purchase"))).to_series()
    assert ends_last.mean() > 0.995  # the last second of the span is shared by those that ran into it


def test_values_are_stars_for_ratings_pieces_for_purchases_and_nothing_for_clicks(shop: SampleData) -> None:
    by_type = {name[0]: frame["value"] for name, frame in shop.interactions.group_by("type")}
    assert set(by_type["rating"].unique()) <= {1.0, 2.0, 3.0, 4.0, 5.0}
    assert by_type["rating"].n_unique() >= 4
    assert by_type["purchase"].min() == 1.0
    assert by_type["view"].min() > 0
    assert by_type["click"].null_count() == len(by_type["click"])


def test_a_session_belongs_to_one_user_and_lasts_a_visit(shop: SampleData) -> None:
    sessions = shop.interactions.group_by("session_id").agg(
        users=pl.col("user_id").n_unique(),
        events=pl.len(),
        seconds=pl.col("timestamp").max() - pl.col("timestamp").min(),
    )
    assert sessions["users"].max() == 1
    assert 3 < sessions["events"].mean() < 9
    assert sessions["seconds"].quantile(0.99) < 3 * 3600


def test_evenings_weekends_and_the_end_of_the_year_are_busier(shop: SampleData) -> None:
    when = pl.from_epoch(shop.interactions["timestamp"], time_unit="s")
    hours = np.bincount(when.dt.hour().to_numpy(), minlength=24)
    assert hours[19:22].sum() > 5 * hours[2:5].sum()
    weekdays = np.bincount(when.dt.weekday().to_numpy(), minlength=8)[1:]
    assert weekdays[5:].mean() > 1.15 * weekdays[:4].mean()
    months = np.bincount(when.dt.month().to_numpy(), minlength=13)
    assert months[11:].mean() > 1.3 * months[5:8].mean()


@pytest.mark.parametrize("exponent", [0.6, 1.0])
def test_the_top_share_follows_the_zipf_exponent(exponent: float) -> None:
    config = SampleConfig.of(
        n_users=1_000, n_items=1_000, n_events=60_000, popularity_exponent=exponent, popularity_drift=0.0,
        new_item_share=0.0, seed=5,
    )  # fmt: skip
    counts = np.sort(generate_sample(config).interactions["item_id"].value_counts()["count"].to_numpy())[::-1]
    law = np.arange(1, 1_001.0) ** -exponent
    assert counts[:100].sum() / counts.sum() == pytest.approx(law[:100].sum() / law.sum(), abs=0.08)


def test_popularity_drifts(shop: SampleData) -> None:
    def shares(config: SampleConfig) -> float:
        frame = generate_sample(config).interactions.with_columns(
            half=pl.col("timestamp") > pl.col("timestamp").median()
        )
        table = frame.group_by("item_id", "half").len().pivot("half", index="item_id", values="len").fill_null(0)
        return float(np.corrcoef(table["true"].to_numpy(), table["false"].to_numpy())[0, 1])

    base = {"n_users": 300, "n_items": 60, "n_events": 30_000, "new_item_share": 0.0}
    assert shares(SampleConfig.of(**base, popularity_drift=1.5)) < shares(SampleConfig.of(**base, popularity_drift=0.0))


def test_purchases_go_to_items_the_buyer_truly_likes_beyond_popularity(shop: SampleData, events: pl.DataFrame) -> None:
    bought = events.filter(pl.col("type") == "purchase")
    users, items = bought["user_row"].to_numpy(), bought["item_row"].to_numpy()
    matched = np.random.default_rng(0).permutation(items)  # the same popularity, other buyers
    own, other = shop.truth.true_affinity(users, items), shop.truth.true_affinity(users, matched)
    assert (own > other).mean() > 0.68
    shuffled = shop.truth.true_affinity(np.random.default_rng(1).permutation(users), matched)
    assert (shuffled > other).mean() == pytest.approx(0.5, abs=0.05)


def test_without_taste_only_popularity_is_left() -> None:
    config = SampleConfig.of(n_users=500, n_items=300, n_events=20_000, taste_strength=0.0)
    shop = generate_sample(config)
    items = {item_id: row for row, item_id in enumerate(shop.items["item_id"])}
    users = {user_id: row for row, user_id in enumerate(shop.users["user_id"])}
    item_rows = np.array([items[i] for i in shop.interactions["item_id"]])
    user_rows = np.array([users[u] for u in shop.interactions["user_id"]])
    other = np.random.default_rng(0).permutation(item_rows)
    wins = shop.truth.true_affinity(user_rows, item_rows) > shop.truth.true_affinity(user_rows, other)
    assert wins.mean() == pytest.approx(0.5, abs=0.03)


def test_skips_go_to_items_liked_less_than_bought_ones(shop: SampleData, events: pl.DataFrame) -> None:
    liking = shop.truth.true_affinity(events["user_row"].to_numpy(), events["item_row"].to_numpy())
    kinds = events["type"].to_numpy()
    assert liking[kinds == "skip"].mean() < liking[kinds == "purchase"].mean() - 0.03


def test_ratings_rise_with_the_true_affinity(shop: SampleData, events: pl.DataFrame) -> None:
    rated = events.filter(pl.col("type") == "rating")
    liking = shop.truth.true_affinity(rated["user_row"].to_numpy(), rated["item_row"].to_numpy())
    assert np.corrcoef(liking, rated["value"].to_numpy())[0, 1] > 0.25


def test_friends_share_taste_and_links_are_distinct_pairs(shop: SampleData) -> None:
    rows = {user_id: row for row, user_id in enumerate(shop.users["user_id"])}
    a = np.array([rows[u] for u in shop.links["user_id"]])
    b = np.array([rows[u] for u in shop.links["friend_id"]])
    assert (a < b).all()
    assert shop.links.is_unique().all()
    assert len(a) == pytest.approx(800 * 8 / 2, rel=0.25)
    factors = shop.truth.user_factors
    friends = (factors[a] * factors[b]).sum(axis=1).mean()
    strangers = (factors[a] * factors[np.random.default_rng(0).permutation(b)]).sum(axis=1).mean()
    assert friends > strangers + 0.15


def test_degrees_of_the_social_graph_have_a_long_tail(shop: SampleData) -> None:
    degrees = pl.concat([shop.links["user_id"], shop.links["friend_id"].rename("user_id")]).value_counts()["count"]
    assert degrees.max() > 3 * degrees.median()


def test_the_seed_decides_everything() -> None:
    config = SampleConfig.of(n_users=60, n_items=40, n_events=600, seed=1)
    first, again = generate_sample(config), generate_sample(config)
    other = generate_sample(config.model_copy(update={"seed": 2}))
    for name in ("users", "items", "interactions", "links"):
        assert getattr(first, name).equals(getattr(again, name))
        assert not getattr(first, name).equals(getattr(other, name))


def test_progress_is_told_up_to_the_end() -> None:
    told: list[tuple[int, int]] = []
    generate_sample(
        SampleConfig.of(n_users=50, n_items=20, n_events=500), on_progress=lambda done, of: told.append((done, of))
    )
    assert told[-1] == (500, 500)


def test_events_are_shared_out_by_activity_within_the_daily_limit() -> None:
    config = SampleConfig.of(n_users=3, n_items=1, n_events=2_500, days=1)
    counts = events_per_user(config, np.array([1e9, 1.0, 1.0]))
    assert counts.tolist() == [1_000, 750, 750]
    fewer = config.model_copy(update={"n_events": 1_500})
    assert events_per_user(fewer, np.array([0.0, 1e9, 1e-3])).tolist() == [0, 1_000, 500]


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"n_users": 0}, "n_users = 0"),
        ({"n_items": -5}, "n_items = -5"),
        ({"n_events": 10**12}, "n_events = 1000000000000"),
        ({"days": 0}, "days = 0"),
        ({"taste_strength": float("nan")}, "taste_strength"),
        ({"start": "not a day"}, "not a day"),
        ({"start": "1800-01-01"}, "1800-01-01"),
        ({"n_users": 2, "days": 1, "n_events": 2_001}, "n_events = 2001 is more than 2 active users"),
    ],
)
def test_impossible_settings_are_refused_with_their_value(parameters: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        SampleConfig.of(**parameters)


def test_an_unknown_setting_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownParameterError, match=r"n_user'.*n_users, n_items"):
        SampleConfig.of(n_user=5)


def test_more_events_than_fit_in_memory_are_to_be_written() -> None:
    with pytest.raises(ConfigurationError, match="write_sample"):
        generate_sample(SampleConfig.of(n_users=100_000, n_events=30_000_000))
