"""Word vectors from local files, against the formula by hand; what is missing is said clearly."""

import gzip
import importlib.util
import json

import numpy as np
import pytest

from foretaste.errors import ConfigurationError, DataFileError, DataFormatError, MissingExtraError
from foretaste.features.embeddings import load_embedder

TEXT = "red 1 0 0\nwool 0 1 0\nsocks 0 1 1\n"


def test_a_text_is_the_weighted_mean_of_its_words(tmp_path):
    (tmp_path / "words.txt").write_text(TEXT)
    embedder = load_embedder(tmp_path)
    found = embedder.encode(["Réd wool, unheard", "", "unheard", "socks socks red"], {"red": 3.0, "wool": 1.0}, 2.0)
    expected = np.array([[3, 1, 0], [0, 0, 0], [0, 0, 0], [3, 4, 4]], dtype=np.float32)
    lengths = np.maximum(np.linalg.norm(expected, axis=1, keepdims=True), 1)
    np.testing.assert_allclose(found, expected / lengths, atol=1e-6)
    assert found.dtype == np.float32


def test_all_forms_of_word_vectors_give_the_same(tmp_path):
    places = [tmp_path / name for name in ("plain", "packed", "headed", "arrays", "numbered")]
    for place in places:
        place.mkdir()
    (places[0] / "words.vec").write_text(TEXT)
    with gzip.open(places[1] / "words.txt.gz", "wt") as file:
        file.write(TEXT)
    (places[2] / "words.txt").write_text("3 3\n" + TEXT)
    table = np.array([[1, 0, 0], [0, 1, 0], [0, 1, 1]], dtype=np.float16)
    np.save(places[3] / "vectors.npy", table)
    (places[3] / "vocab.json").write_text(json.dumps(["red", "wool", "socks"]))
    np.save(places[4] / "vectors.npy", table[[1, 0, 2]])
    (places[4] / "vocab.json").write_text(json.dumps({"red": 1, "wool": 0, "socks": 2}))
    wanted = load_embedder(places[0]).encode(["red socks"], {}, 1.0)
    for place in [*places, places[0] / "words.vec"]:
        np.testing.assert_allclose(load_embedder(place).encode(["red socks"], {}, 1.0), wanted, atol=1e-6)


@pytest.mark.parametrize(
    ("files", "error", "word"),
    [
        ({}, DataFileError, "no file"),
        ({"a.txt": TEXT, "b.txt": TEXT}, DataFileError, "several"),
        ({"a.txt": "red 1 0\nwool 1\n"}, DataFormatError, "line 2"),
        ({"a.txt": "red one\n"}, DataFormatError, "line 1"),
        ({"a.txt": ""}, ConfigurationError, "no word vectors"),
        ({"a.txt": "red\n"}, DataFormatError, "fit together"),
        ({"vectors.npy": "no array"}, DataFileError, "vectors.npy"),
    ],
)
def test_unusable_folders_are_refused(tmp_path, files, error, word):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(error, match=word):
        load_embedder(tmp_path)


def test_arrays_and_words_must_fit_and_pickles_are_not_read(tmp_path):
    with pytest.raises(DataFileError, match="no folder"):
        load_embedder(tmp_path / "nowhere")
    np.save(tmp_path / "vectors.npy", np.ones((2, 3)))
    for vocabulary in (["one"], [1, 2], "one two"):
        (tmp_path / "vocab.json").write_text(json.dumps(vocabulary))
        with pytest.raises(DataFormatError):
            load_embedder(tmp_path)
    np.save(tmp_path / "vectors.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(DataFileError):
        load_embedder(tmp_path)


@pytest.mark.skipif(importlib.util.find_spec("sentence_transformers") is not None, reason="the extra is installed")
def test_a_sentence_model_names_the_extra_that_reads_it(tmp_path):
    (tmp_path / "modules.json").write_text("[]")
    with pytest.raises(MissingExtraError, match=r"foretaste\[text\]"):
        load_embedder(tmp_path)
