"""What items are about, from the catalogue as it is now: tokens of their texts and lists, without any fitting."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary
from zlib import crc32

import numpy as np
import numpy.typing as npt
from scipy import sparse

from foretaste.serving.live.catalogue import Catalogue
from foretaste.serving.live.columns import Column, ItemColumns, Words

Tokens = npt.NDArray[np.int64]
Rows = npt.NDArray[np.integer]
_PHRASE = 3
"""Longest text, in words, that is a token as a whole, too."""
_LEAST_LETTERS = 3
_TEXT_SHARE = 0.5
_JOINED = frozenset({"category", "genres", "genre", "name"})
"""Columns that ``categories`` and ``title`` hold already."""
_NO_CONTENT = re.compile(r"(^|_)(urls?|links?|images?|img|photos?|pictures?|sku|ean|isbn|ids?)$")
_NOT_WORD = re.compile(r"[\W_]+")


def plain(text: object) -> str:
    """A text as it is compared: small letters, one blank between words, nothing else.

    >>> plain(" Trail-Shoes, WOOL ")
    'trail shoes wool'
    """
    return " ".join(_NOT_WORD.sub(" ", str(text)).casefold().split())


def tokens_of(text: object) -> list[int]:
    """The tokens of a value: its words of three letters or more, and a short one as a whole; as 32-bit hashes, so that
    a value that nobody has seen needs no vocabulary.
    """
    whole = plain(text)
    words = whole.split()
    found = {word for word in words if len(word) >= _LEAST_LETTERS}
    if 0 < len(words) <= _PHRASE:
        found.add(whole)
    return [crc32(token.encode()) for token in sorted(found)]


class TokensOfWords:
    """The tokens of each different text of a column, cut once: versions of a column share their texts."""

    def __init__(self) -> None:
        self._known: WeakKeyDictionary[Words, tuple[Tokens, Tokens]] = WeakKeyDictionary()

    def of(self, words: Words) -> tuple[Tokens, Tokens]:
        """Where the tokens of each text begin (n + 1,), and all of them, for at least the texts of now."""
        starts, tokens = self._known.get(words, (np.zeros(1, np.int64), np.zeros(0, np.int64)))
        fresh = words.words[len(starts) - 1 : len(words)]
        if fresh:
            cut = [tokens_of(word) for word in fresh]
            ends = starts[-1] + np.cumsum([len(found) for found in cut])
            starts = np.concatenate([starts, ends]).astype(np.int64)
            tokens = np.concatenate([tokens, np.array([token for found in cut for token in found], np.int64)])
            self._known[words] = (starts, tokens)
        return starts, tokens


class PlainWords:
    """Finds the texts of a column that read alike, but for case and signs; each text is looked at once."""

    def __init__(self) -> None:
        self._known: WeakKeyDictionary[Words, tuple[int, dict[str, list[int]]]] = WeakKeyDictionary()

    def codes(self, words: Words, text: str) -> list[int]:
        """The codes of the texts whose :func:`plain` form is ``text``."""
        count, found = self._known.get(words, (0, {}))
        n = len(words)
        if count < n:
            grown = {name: list(codes) for name, codes in found.items()}  # others may be reading the old one
            for code in range(count, n):
                grown.setdefault(plain(words.words[code]), []).append(code)
            found = grown
            self._known[words] = (n, found)
        return found.get(text, [])


@dataclass(frozen=True, eq=False)
class Rarity:
    """How much each token tells: ln((1 + N) / (1 + items that have it)), so that what all items have says nothing."""

    tokens: Tokens
    """In ascending order."""
    counts: npt.NDArray[np.float64]
    n_items: int

    def of(self, tokens: Tokens) -> npt.NDArray[np.float64]:
        """The weight of each token; a token that no item had counts most."""
        if not len(self.tokens):
            return np.full(len(tokens), np.log1p(self.n_items))
        places = np.minimum(np.searchsorted(self.tokens, tokens), len(self.tokens) - 1)
        counts = np.where(self.tokens[places] == tokens, self.counts[places], 0.0)
        return np.asarray(np.maximum(np.log((1.0 + self.n_items) / (1.0 + counts)), 0.0))


class ItemTokens:
    """Vectors of items over tokens.

    In each column, n tokens weigh 1/√n of their rarity; in texts (titles, descriptions) half of it.
    """

    def __init__(self, catalogue: Catalogue, cut: TokensOfWords, rarity: Rarity | None = None) -> None:
        self._faces = list(_faces(catalogue.columns))
        self._cut = cut
        self.rarity = rarity if rarity is not None else self._counted(len(catalogue.items))

    def vectors(self, rows: Rows) -> tuple[sparse.csr_array, Tokens]:
        """Vectors (n, T) of length 1 of some rows (0 for one without content), and the T tokens, ascending."""
        owners, tokens, weights = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], [np.zeros(0)]
        for words, codes_of, weight in self._faces:
            at, found = self._expanded(words, *codes_of(rows))
            counts = np.bincount(at, minlength=len(rows))
            owners.append(at)
            tokens.append(found)
            weights.append(weight * self.rarity.of(found) / np.sqrt(np.maximum(counts[at], 1)))
        names, columns = np.unique(np.concatenate(tokens), return_inverse=True)
        made = sparse.csr_array(
            (np.concatenate(weights), (np.concatenate(owners), columns)), shape=(len(rows), len(names))
        )
        lengths = np.sqrt(np.asarray(made.multiply(made).sum(axis=1)).ravel())
        made.data /= np.repeat(np.where(lengths > 0, lengths, 1.0), np.diff(made.indptr))
        return made, names

    def _expanded(self, words: Words, owners: Tokens, codes: Tokens) -> tuple[Tokens, Tokens]:
        """Each code's tokens, with the code's owner."""
        starts, tokens = self._cut.of(words)
        lengths = starts[codes + 1] - starts[codes]
        within = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        return np.repeat(owners, lengths), tokens[np.repeat(starts[codes], lengths) + within]

    def _counted(self, n_items: int) -> Rarity:
        """How many items have each token, in the column where most have it; of a list that has it in two elements,
        both count.
        """
        tokens, counts = [np.zeros(0, np.int64)], [np.zeros(0)]
        for words, codes_of, _ in self._faces:
            _, codes = codes_of(np.arange(n_items))
            used = np.bincount(codes, minlength=len(words))
            at, found = self._expanded(words, np.arange(len(words)), np.arange(len(words)))
            own, places = np.unique(found, return_inverse=True)
            tokens.append(own)
            counts.append(np.bincount(places, used[at], minlength=len(own)).astype(np.float64))
        names, places = np.unique(np.concatenate(tokens), return_inverse=True)
        most = np.zeros(len(names))
        np.maximum.at(most, places, np.concatenate(counts))
        return Rarity(names, most, n_items)


class _Codes:
    """The codes of some rows in one face, each with the place of its row."""

    def __init__(self, columns: ItemColumns, name: str, *, of_lists: bool) -> None:
        self._column, self._of_lists = columns[name], of_lists

    def __call__(self, rows: Rows) -> tuple[Tokens, Tokens]:
        if self._of_lists:
            assert self._column.lists is not None
            table = self._column.lists.padded(rows)
        else:
            assert self._column.text is not None
            table = self._column.text.codes[rows][:, None]
        owners, places = np.nonzero(table >= 0)
        return owners.astype(np.int64), table[owners, places].astype(np.int64)


def content_columns(columns: ItemColumns) -> list[str]:
    """The attributes that say what an item is about."""
    return [name for name in columns if name.lower() not in _JOINED and not _NO_CONTENT.search(name.lower())]


def _faces(columns: ItemColumns) -> Iterator[tuple[Words, _Codes, float]]:
    """The texts of each column, what finds them by row, and how much they count."""
    for name in content_columns(columns):
        column = columns[name]
        if column.text is not None:
            weight = 1.0 if is_category(column) else _TEXT_SHARE
            yield column.text.words, _Codes(columns, name, of_lists=False), weight
        if column.lists is not None:
            yield column.lists.words, _Codes(columns, name, of_lists=True), 1.0


def is_category(column: Column) -> bool:
    """Whether the texts of a column are shared by items, as categories and brands are and titles are not."""
    return column.text is not None and len(column.text.words) <= max(20, len(column.text.codes) // 4)


def shared_values(columns: ItemColumns, one: int, other: int, *, most: int = 3) -> Sequence[str]:
    """What two items have in common, as ``column: value``: elements of lists and short texts, each value once."""
    found: dict[str, str] = {}
    for name in sorted(content_columns(columns), key=lambda name: name != "categories"):
        text, lists = columns[name].text, columns[name].lists
        values: list[object] = []
        if text is not None and text.codes[one] == text.codes[other] >= 0:
            values += [text.words.words[text.codes[one]]]
        if lists is not None:
            theirs = set(lists.row(other).tolist())
            values += [lists.words.words[code] for code in lists.row(one).tolist() if code in theirs]
        for value in map(str, values):
            if len(value.split()) <= _PHRASE:
                found.setdefault(plain(value), f"{name}: {value}")
    return list(found.values())[:most]
