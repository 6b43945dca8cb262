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


def test_rows_stay_while_items_come_change_and_go():
    catalogue = Catalogue(Vocabulary(["a"]))
    for step, record in enumerate(
        [
            item("x", 1, at=5, price=1),
            item("y", 2, at=9, available=False, price=2),
            item("x", 3, at=5, price=3, category="Shoes"),
            Record("gone", {"_deleted": True}, True, 0, 0, 4),
            Record("x", {"_deleted": True}, True, 5, 0, 5),
            item("y", 6, at=9, price=4),
            item("z", 7, at=7),
        ]
    ):
        catalogue = catalogue.changed([record])
        assert catalogue.version == step + 1
    assert catalogue.items.ids.to_list() == ["a", "x", "y", "z"]
    assert catalogue.allowed.tolist() == [True, False, True, True]
    assert catalogue.items.ids_of(catalogue.newest) == ["y", "z", "a"]
    assert catalogue.columns.numbers("price").tolist()[2] == 4
    assert "x" not in catalogue
    assert "gone" not in catalogue
    assert catalogue.categories.get("shoes", catalogue.allowed[:0]).sum() == 0


def test_the_same_items_move_to_the_rows_of_other_models():
    before = Catalogue(Vocabulary(["a", "b"])).changed(
        [item("b", 1, at=1, price=5, tags=["t"]), item("x", 2, at=6, price=7), item("y", 3, at=4, available=False)]
    )
    before = before.changed([Record("y", {"_deleted": True}, True, 4, 0, 4)])
    after = before.for_models(Vocabulary(["x", "new", "b"]), 5.0)
    assert after.items.ids.to_list() == ["x", "new", "b"]
    assert after.columns.numbers("price").tolist()[::2] == [7, 5]
    assert after.columns["tags"].lists.lengths.tolist() == [0, 0, 1]
    assert (after.title("x"), after.version) == (before.title("x"), 4)
    assert after.items.ids_of(after.newest) == ["x", "b", "new"]
    assert after.arrivals.tolist() == []


def test_models_that_learn_new_items_find_each_item_with_its_own_facts():
    ids = [f"i{n}" for n in range(700)]
    known = [item(i, n + 1, at=n, title=f"title of {i}", price=n) for n, i in enumerate(ids) if n % 3]
    before = Catalogue(Vocabulary(ids[:600])).changed([*known, Record("i690", {"_deleted": True}, True, 1, 1, 900)])
    after = before.for_models(before.model_items.extended(["i650", "unheard"]), 0.0)
    assert after.items.ids.to_list()[600:602] == ["i650", "unheard"]
    assert sorted(after.items.ids.to_list()) == sorted(["unheard", *ids[:600], *(i for i in ids[600:] if i in before)])
    for row, item_id in enumerate(after.items.ids.to_list()):
        assert after.title(item_id) == before.title(item_id)
        assert after.facts[row] == before.facts.get(item_id)
    assert "i690" not in after.items


def test_all_category_fields_and_the_time_of_creation_are_attributes():
    catalogue = Catalogue(Vocabulary([])).changed(
        [item("x", 1, at=8, category="Decor", genres="Light|Home"), item("y", 2, at=9, created_at="1970-01-01")]
    )
    words = catalogue.columns["categories"].lists.words.words
    assert [words[code] for code in catalogue.columns["categories"].lists.row(0)] == ["Decor", "Light", "Home"]
    assert catalogue.columns.numbers("created_at").tolist() == [8, 0]


def test_the_order_by_age_is_the_same_as_sorted_anew():
    catalogue = Catalogue(Vocabulary([])).changed([item(f"i{n}", n + 1, at=n * 7 % 31) for n in range(60)])
    for n in range(60, 75):
        catalogue = catalogue.changed([item(f"i{n}", n + 1, at=n % 5), item(f"i{n - 50}", n + 1, at=3)])
        expected = sorted(range(len(catalogue.items)), key=lambda row: (-catalogue.created[row], row))
        assert sorted(catalogue.by_age.tolist(), key=lambda row: -catalogue.created[row]) == catalogue.by_age.tolist()
        assert sorted(catalogue.by_age.tolist()) == sorted(expected)
