"""``foretaste tune`` on a small file."""

import json
import tomllib

import pytest

from foretaste.cli import main
from foretaste.testing import tiny_shop


def run(*words):
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    return ended.value.code


@pytest.fixture
def events(tmp_path):
    data = tiny_shop()
    rows = zip(data.interactions.user_rows, data.interactions.item_rows, data.interactions.timestamps, strict=True)
    path = tmp_path / "events.csv"
    lines = [f"{data.users.id(int(u))},{data.items.id(int(i))},{int(t)}" for u, i, t in rows]
    path.write_text("\n".join(["user_id,item_id,timestamp", *lines]) + "\n")
    return path


def test_tune_prints_every_trial_and_writes_the_best(events, tmp_path, capsys):
    out = tmp_path / "best.toml"
    words = ["tune", events, "-m", "item_knn", "--trials", 3, "--sampler", "random", "--json", "-o", out]
    assert run(*words) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found["trials"]) == 3
    written = tomllib.loads(out.read_text())["models"]["item_knn"]
    assert written == {"kind": "item_knn"} | found["best"]["parameters"]


def test_tune_shows_a_table_and_refuses_what_it_does_not_know(events, capsys):
    assert run("tune", events, "-m", "item_knn", "--trials", 2, "--sampler", "random") == 0
    assert "ndcg@10" in capsys.readouterr().out
    assert run("tune", events, "-m", "item_knn", "--sampler", "magic") == 2
    assert "tpe" in capsys.readouterr().err
