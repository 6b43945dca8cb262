import math
from zlib import crc32

import numpy as np
import pytest

from foretaste.data import Vocabulary
from foretaste.serving.cold.tokens import ItemTokens, PlainWords, TokensOfWords, plain, shared_values, tokens_of
from foretaste.serving.live.catalogue import Catalogue
from foretaste.serving.live.columns import Words
from foretaste.storage.records import Record

ITEMS = {
    "a": {"title": "Wool socks", "tags": ["warm", "feet"], "category": "hiking"},
    "b": {"title": "Wool hat", "tags": ["warm"], "category": "hiking"},
    "c": {"title": "Tin mug", "tags": ["cold"], "category": "coffee", "image_url": "wool"},
    "d": {"price": 3.0},
}


def catalogue_of(items=ITEMS):
    records = [Record(item_id, values, True, 1.0, 1.0, n) for n, (item_id, values) in enumerate(items.items(), 1)]
    return Catalogue(Vocabulary([])).changed(records)


def hashed(*texts):
    return sorted(crc32(text.encode()) for text in texts)


def test_a_value_becomes_its_words_and_a_short_one_itself():
    assert sorted(tokens_of("Trail-Shoes")) == hashed("trail", "shoes", "trail shoes")
    assert sorted(tokens_of("XL")) == hashed("xl")
    assert sorted(tokens_of("a pot for tea, of clay")) == hashed("pot", "for", "tea", "clay")
    assert tokens_of("—") == []
    assert plain("Öko_Tee!") == "öko tee"


def slow_vectors(items):
    """Item → token → weight, by the formula."""
    values = {
        item_id: [
            [text] if isinstance(text, str) else text
            for text in (own.get("title"), own.get("tags"), [own["category"]] if "category" in own else None)
            if text
        ]
        for item_id, own in items.items()
    }
    tokens = {item_id: [[t for v in column for t in tokens_of(v)] for column in own] for item_id, own in values.items()}
    by_column = {}
    for own in tokens.values():
        for place, column in enumerate(own):
            for token in column:
                by_column[token, place] = by_column.get((token, place), 0) + 1
    counts = {token: max(n for (other, _), n in by_column.items() if other == token) for token, _ in by_column}
    found = {}
    for item_id, own in tokens.items():
        vector = {}
        for column in own:
            for token in column:
                rarity = math.log((1 + len(items)) / (1 + counts[token]))
                vector[token] = vector.get(token, 0.0) + rarity / math.sqrt(len(column))
        length = math.sqrt(sum(weight**2 for weight in vector.values()))
        found[item_id] = {token: weight / length for token, weight in vector.items()} if length else {}
    return found


def test_vectors_are_those_of_the_formula():
    catalogue = catalogue_of()
    vectors, names = ItemTokens(catalogue, TokensOfWords()).vectors(np.arange(4))
    expected = slow_vectors(ITEMS)
    for row, item_id in enumerate(catalogue.items.ids.to_list()):
        own = vectors.toarray()[row]
        assert {int(names[n]): own[n] for n in np.flatnonzero(own)} == pytest.approx(
            {token: weight for token, weight in expected[item_id].items() if weight}
        )


def test_like_items_are_near_each_other_and_addresses_of_pictures_say_nothing():
    vectors, _ = ItemTokens(catalogue_of(), TokensOfWords()).vectors(np.arange(4))
    near = (vectors @ vectors.T).toarray()
    assert near[0, 1] > 0.3
    assert near[0, 2] == near[1, 2] == 0.0
    assert near[3].tolist() == [0.0] * 4


def test_texts_are_cut_once_however_the_column_grows():
    words, cut = Words(), TokensOfWords()
    words.add("red wine")
    assert cut.of(words)[0].tolist() == [0, 3]
    words.add("tea")
    starts, tokens = cut.of(words)
    assert starts.tolist() == [0, 3, 4]
    assert tokens.tolist() == [*tokens_of("red wine"), *tokens_of("tea")]


def test_values_nobody_has_had_before_count_most():
    before = ItemTokens(catalogue_of(), TokensOfWords())
    grown = catalogue_of(ITEMS | {"e": {"tags": ["neon"]}, "f": {"tags": ["neon", "warm"]}})
    vectors, names = ItemTokens(grown, TokensOfWords(), before.rarity).vectors(np.array([4, 5]))
    own = vectors.toarray()
    neon, warm = (int(np.flatnonzero(names == crc32(word))[0]) for word in (b"neon", b"warm"))
    assert own[0, neon] == pytest.approx(1.0)
    assert own[1, neon] > own[1, warm] > 0.0


def test_words_that_read_alike_are_found_also_those_added_later():
    words, known = Words(), PlainWords()
    words.add("Trail Shoes")
    assert known.codes(words, "trail shoes") == [0]
    words.add("trail-shoes")
    assert known.codes(words, "trail shoes") == [0, 1]
    assert known.codes(words, "boots") == []


def test_what_items_share_is_named_by_column():
    catalogue = catalogue_of()
    a, b, c = catalogue.items.rows(["a", "b", "c"]).tolist()
    assert sorted(shared_values(catalogue.columns, a, b)) == ["categories: hiking", "tags: warm"]
    assert shared_values(catalogue.columns, a, c) == []
