from foretaste.data import Vocabulary
from foretaste.serving.live.catalogue import Catalogue, changes, facts_of
from foretaste.storage.records import Record


def item(item_id, version, *, at=0.0, available=True, **attributes):
    return Record(item_id, attributes, available, at, at, version)


def test_titles_and_categories_are_found_under_their_usual_names():
    facts = facts_of(item("i", 1, name="Lamp", genres="Light|Home", category="Decor"))
    assert facts.title == "Lamp"
    assert facts.categories == ("Decor", "Light", "Home")
    assert facts_of(item("i", 1, title="", name="Lamp")).title == "Lamp"
    assert facts_of(item("i", 1, categories=["a", "b"])).categories == ("a", "b")
    assert facts_of(item("i", 1)).title is None


def test_items_of_the_models_keep_their_rows_and_arrivals_come_behind():
    catalogue = Catalogue(Vocabulary(["a", "b"]), trained_at=5.0).changed(
        [item("b", 1, at=1), item("old", 2, at=4), item("x", 3, at=6), item("y", 4, at=7)]
    )
    assert catalogue.items.ids.to_list() == ["a", "b", "old", "x", "y"]
    assert catalogue.items.ids_of(catalogue.arrivals) == ["y", "x"]
    assert catalogue.version == 4


def test_hidden_and_deleted_items_may_not_be_shown():
    catalogue = Catalogue(Vocabulary(["a", "b", "c"])).changed(
        [item("a", 1, available=False), Record("b", {"_deleted": True}, True, 0, 0, 2)]
    )
    assert catalogue.allowed.tolist() == [False, False, True]
    assert "a" in catalogue
    assert "b" not in catalogue
    assert "c" in catalogue
    assert "d" not in catalogue


def test_a_change_leaves_the_older_snapshot_as_it_was():
    before = Catalogue(Vocabulary(["a"])).changed([item("a", 1, title="One")]).prepare()
    after = before.changed([item("a", 2, title="Two", available=False)])
    assert (before.title("a"), before.allowed.tolist()) == ("One", [True])
    assert (after.title("a"), after.allowed.tolist()) == ("Two", [False])


def test_categories_are_found_in_any_case():
    catalogue = Catalogue(Vocabulary(["a", "b"])).changed([item("b", 1, category="Shoes")])
    assert catalogue.categories["shoes"].tolist() == [False, True]


async def test_changes_are_read_to_the_end_over_many_pages(empty_stores, monkeypatch):
    monkeypatch.setattr("foretaste.serving.live.catalogue.PAGE", 3)
    await empty_stores.records.upsert("item", [Record(f"i{n}") for n in range(8)])
    found = await changes(empty_stores.records, 0)
    assert [record.record_id for record in found] == [f"i{n}" for n in range(8)]
    assert await changes(empty_stores.records, found[-1].version) == []
