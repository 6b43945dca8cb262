from types import SimpleNamespace

import pytest

from foretaste.errors import ConfigurationError, UnknownNameError
from foretaste.storage import urls
from foretaste.storage.artifacts import open_artifacts
from foretaste.storage.records import open_records
from foretaste.storage.records.sqlite import SQLiteRecords


def my_store(url):
    return SQLiteRecords(None)


def no_store(url):
    return url


@pytest.fixture
def third_party(monkeypatch):
    """Packages that registered stores in the group of records."""
    found = {
        "mine": f"{__name__}:my_store",
        "wrong": f"{__name__}:no_store",
        "gone": "no_such_package:make",
        "sqlite": f"{__name__}:no_store",
    }
    module = SimpleNamespace(my_store=my_store, no_store=no_store)
    monkeypatch.setitem(__import__("sys").modules, __name__, module)
    entries = [SimpleNamespace(name=name, value=value) for name, value in found.items()]
    monkeypatch.setattr(urls, "entry_points", lambda group: entries if group == "foretaste.records" else [])


@pytest.mark.parametrize(("opener", "known"), [(open_records, "sqlite"), (open_artifacts, "file")])
def test_an_unknown_scheme_lists_the_known_ones(opener, known):
    with pytest.raises(UnknownNameError, match="'oracle'") as caught:
        opener("oracle://name:secret@host/db")
    assert known in caught.value.hint
    assert "secret" not in str(caught.value)


def test_a_path_that_is_no_url_is_refused():
    with pytest.raises(UnknownNameError, match=r"'var/x\.db'"):
        open_records("var/x.db")


def test_a_store_of_another_package_is_opened_by_its_scheme(third_party):
    assert isinstance(open_records("mine://anywhere"), SQLiteRecords)
    assert isinstance(open_records("mine+fast://anywhere"), SQLiteRecords)


def test_a_scheme_of_ours_cannot_be_taken_over(third_party):
    assert isinstance(open_records("sqlite://"), SQLiteRecords)


def test_a_registration_that_is_broken_is_named(third_party):
    with pytest.raises(ConfigurationError, match="no_such_package"):
        open_records("gone://x")
    with pytest.raises(ConfigurationError, match="gives no Records"):
        open_records("wrong://x")
