import polars as pl
import pytest

from foretaste.errors import DataFormatError
from foretaste.serving.config import parse_pipeline
from foretaste.serving.ingest import events_of, ingest, with_event_ids
from foretaste.serving.training import read_training_data

EVENTS = pl.DataFrame(
    {"user_id": ["u", "u", "u", "v"], "item_id": ["i", "i", "j", "i"], "timestamp": [1.0, 1.0, 2.0, None]}
)


async def test_importing_the_same_table_twice_adds_nothing(empty_stores):
    first = await ingest(empty_stores.records, events=EVENTS)
    second = await ingest(empty_stores.records, events=EVENTS)
    assert (first.events_read, first.events_new) == (4, 4)
    assert (second.events_read, second.events_new) == (4, 0)
    assert await empty_stores.records.count("event") == 4


async def test_a_longer_file_adds_only_its_new_rows(empty_stores):
    await ingest(empty_stores.records, events=EVENTS.head(2))
    report = await ingest(empty_stores.records, events=EVENTS)
    assert report.events_new == 2


def test_equal_rows_get_different_ids_and_order_among_others_does_not_matter():
    ids = with_event_ids(EVENTS)["event_id"].to_list()
    assert len(set(ids)) == 4
    assert set(with_event_ids(EVENTS.reverse())["event_id"]) == set(ids)


def test_ids_stay_the_same_over_versions_and_machines():
    made = with_event_ids(pl.DataFrame({"user_id": ["u"], "item_id": ["i"], "type": ["view"], "timestamp": [1.5]}))
    assert made["event_id"].to_list() == ["0f15ebf278a244b619bd42ef1019f9bd"]


def test_given_event_ids_are_kept():
    frame = EVENTS.with_columns(pl.Series("event_id", ["a", None, "b", "c"]))
    made = with_event_ids(frame)["event_id"].to_list()
    assert [made[0], made[2], made[3]] == ["a", "b", "c"]
    assert made[1]


def test_a_missing_column_is_named():
    with pytest.raises(DataFormatError, match="item_id"):
        with_event_ids(pl.DataFrame({"user_id": ["u"]}))


def test_a_value_that_is_no_number_is_refused():
    with pytest.raises(DataFormatError, match="wrong type"):
        with_event_ids(EVENTS.with_columns(pl.lit("five").alias("value")))


async def test_a_data_set_comes_back_from_the_store_as_it_was(empty_stores, shop):
    await ingest(empty_stores.records, shop)
    pipeline = parse_pipeline({"models": {"popular": {"kind": "popular"}}})
    back = (await read_training_data(empty_stores.records, pipeline)).dataset
    assert set(back.users.ids) == set(shop.users.ids)
    assert set(back.items.ids) == set(shop.items.ids)
    assert len(back.interactions) == len(shop.interactions)
    assert sorted(back.titles()) == sorted(shop.titles())

    def actions(data):
        kinds = data.interactions.type_names
        return sorted(
            (data.users.id(u), data.items.id(i), kinds[t])
            for u, i, t in zip(
                data.interactions.user_rows, data.interactions.item_rows, data.interactions.types, strict=True
            )
        )

    assert actions(back) == actions(shop)


async def test_users_and_items_that_cannot_be_used_go_to_the_dead_letters(empty_stores):
    items = pl.DataFrame({"item_id": ["a", "", "c"], "title": ["A", "B", None]})
    report = await ingest(empty_stores.records, items=items)
    assert (report.items, report.rejected) == (2, 1)
    assert await empty_stores.records.count("dead_letter") == 1
    assert (await empty_stores.records.get("item", "c")).attributes == {}


async def test_dates_become_text_and_lists_stay_lists(empty_stores):
    items = pl.DataFrame({"item_id": ["a"], "tags": [["x", "y"]]}).with_columns(pl.date(2026, 1, 2).alias("released"))
    await ingest(empty_stores.records, items=items)
    assert (await empty_stores.records.get("item", "a")).attributes == {"tags": ["x", "y"], "released": "2026-01-02"}


async def test_progress_reaches_the_total(empty_stores, shop):
    seen = []
    await ingest(empty_stores.records, shop, on_progress=lambda what, done, total: seen.append((what, done, total)))
    assert ("events", len(shop.interactions), len(shop.interactions)) in seen
    assert ("items", shop.n_items, shop.n_items) in seen


def test_ratings_keep_their_stars(shop):
    from dataclasses import replace

    ratings = replace(
        shop,
        is_explicit=True,
        interactions=replace(shop.interactions, type_names=("rating",) * len(shop.interactions.type_names)),
    )
    events = events_of(ratings)
    assert events["value"].to_list() == shop.interactions.weights.tolist()
    assert events["type"].unique().to_list() == ["rating"]
