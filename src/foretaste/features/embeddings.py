"""Texts as dense vectors, by what lies in a local folder: word vectors, or a sentence model. Nothing is downloaded."""

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from foretaste.errors import ConfigurationError, DataFileError, DataFormatError, MissingExtraError

Vectors = npt.NDArray[np.float32]
_WORD = re.compile(r"(?u)\b\w\w+\b")
_WORD_FILES = ("*.vec", "*.txt", "*.vec.gz", "*.txt.gz")


class TextEmbedder(Protocol):
    """Turns texts into vectors."""

    def encode(self, texts: Sequence[str], word_weights: Mapping[str, float], unseen: float) -> Vectors:
        """Vectors (n, D) of length 1; a text that nothing is known of gives zeros.

        ``word_weights`` says how much single words count (``unseen`` for the others), where that means something.
        """
        ...


class WordVectors:
    """The weighted mean of the vectors of a text's words.

    With words weighted by idf, rare words carry the meaning, as in Arora et al. 2017 («A simple but tough-to-beat
    baseline for sentence embeddings»), whose weights a / (a + p(word)) fall with frequency in the same way.
    """

    def __init__(self, words: Sequence[str], table: npt.NDArray[np.floating]) -> None:
        if table.ndim != 2 or len(table) != len(words) or not len(words) or not table.shape[1]:
            raise DataFormatError(f"{len(words)} words and vectors of shape {table.shape} do not fit together")
        self._rows = {plain_word(word): row for row, word in reversed(list(enumerate(words)))}  # the first one counts
        self._table = table

    @property
    def n_dimensions(self) -> int:
        """Length of a vector, D."""
        return int(self._table.shape[1])

    def encode(self, texts: Sequence[str], word_weights: Mapping[str, float], unseen: float) -> Vectors:
        """Vectors (n, D) of length 1; a text without a known word gives zeros."""
        out = np.zeros((len(texts), self.n_dimensions), dtype=np.float32)
        for n, text in enumerate(texts):
            words = [word for word in _WORD.findall(plain_word(text)) if word in self._rows]
            if words:
                weights = np.array([word_weights.get(word, unseen) for word in words], dtype=np.float32)
                out[n] = weights @ np.asarray(self._table[[self._rows[word] for word in words]], dtype=np.float32)
        return unit_rows(np.nan_to_num(out, nan=0.0, posinf=0.0, neginf=0.0))


class SentenceModel:
    """A model of the package sentence-transformers, read from a folder."""

    def __init__(self, folder: Path) -> None:
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError as exc:
            raise MissingExtraError(
                f"{folder} holds a sentence model, and reading one needs sentence-transformers",
                hint="pip install 'foretaste[text]', or give a folder of word vectors",
            ) from exc
        self._model: Any = SentenceTransformer(str(folder), device="cpu", local_files_only=True)

    def encode(self, texts: Sequence[str], word_weights: Mapping[str, float], unseen: float) -> Vectors:
        """Vectors (n, D) of length 1; an empty text gives zeros."""
        found = np.asarray(self._model.encode(list(texts), show_progress_bar=False), dtype=np.float32)
        found[[not text.strip() for text in texts]] = 0.0
        return unit_rows(found)


def load_embedder(path: Path | str) -> TextEmbedder:
    """What a folder (or a file of word vectors) holds.

    A folder with ``vectors.npy`` (V, D) and ``vocab.json`` (V words, or word → row), or with one text file of lines
    ``word v1 v2 …`` (.txt or .vec, also .gz; a first line «V D» is passed over) gives :class:`WordVectors`; one with
    ``config.json`` or ``modules.json`` gives :class:`SentenceModel`.

    Raises:
        DataFileError: nothing is there, or nothing that is known.
        DataFormatError: files that do not fit together.
        MissingExtraError: a sentence model, and sentence-transformers is not installed.
    """
    path = Path(path)
    if path.is_file():
        return _from_text(path)
    if not path.is_dir():
        raise DataFileError(f"there is no folder {path} of embeddings", hint="give a local folder in model_path")
    if (path / "vectors.npy").is_file():
        return _from_arrays(path)
    if (path / "modules.json").is_file() or (path / "config.json").is_file():
        return SentenceModel(path)
    files = sorted(file for pattern in _WORD_FILES for file in path.glob(pattern))
    if len(files) == 1:
        return _from_text(files[0])
    raise DataFileError(
        f"{path} holds {'several files' if files else 'no file'} of word vectors and no sentence model",
        hint="name one file, or put vectors.npy and vocab.json there",
    )


def plain_word(text: str) -> str:
    """Lower case without accents, as words are compared."""
    decomposed = unicodedata.normalize("NFKD", text.lower())
    return "".join(sign for sign in decomposed if not unicodedata.combining(sign))


def unit_rows(matrix: Vectors) -> Vectors:
    """Rows at length 1; rows of zeros stay."""
    lengths = np.linalg.norm(matrix.astype(np.float64), axis=1, keepdims=True)
    return np.asarray(matrix / np.where(lengths > 1e-12, lengths, 1.0), dtype=np.float32)


def _from_arrays(folder: Path) -> WordVectors:
    vocabulary = folder / "vocab.json"
    try:
        table = np.load(folder / "vectors.npy", mmap_mode="r", allow_pickle=False)
        words = json.loads(vocabulary.read_text(encoding="utf-8"))
        if isinstance(words, dict):
            words = sorted(words, key=words.__getitem__)
    except (OSError, ValueError, TypeError) as exc:
        raise DataFileError(f"{folder} must hold vectors.npy and vocab.json: {exc}") from exc
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise DataFormatError(f"{vocabulary} must be a list of words, or give a row for each word")
    return WordVectors(words, table)


def _from_text(path: Path) -> WordVectors:
    import gzip

    words: list[str] = []
    rows: list[Vectors] = []
    try:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                word, _, values = line.strip().partition(" ")
                vector = np.array(values.split(), dtype=np.float32)
                if number == 1 and len(vector) == 1 and word.isdigit():
                    continue
                if rows and len(vector) != len(rows[0]):
                    raise DataFormatError(
                        f"{path}, line {number}: {len(vector)} numbers where the other words have {len(rows[0])}"
                    )
                words.append(word)
                rows.append(vector)
    except (OSError, UnicodeDecodeError) as exc:
        raise DataFileError(f"word vectors {path} cannot be read: {exc}") from exc
    except ValueError as exc:
        raise DataFormatError(f"{path}, line {len(rows) + 1}: no numbers behind a word") from exc
    if not rows:
        raise ConfigurationError(f"{path} holds no word vectors", hint="lines are: word v1 v2 …")
    return WordVectors(words, np.stack(rows))
