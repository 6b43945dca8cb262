import json
import subprocess
import sys
from pathlib import Path

import pytest

from foretaste.cli import main
from foretaste.cli.output import parse_parameters
from foretaste.errors import ConfigurationError


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command."""
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    captured = capsys.readouterr()
    code = ended.value.code
    return code if isinstance(code, int) else int(code is not None), captured.out, captured.err


@pytest.fixture
def ratings(tmp_path: Path) -> Path:
    rows = [
        f"u{u},i{i},{1 + (u + i) % 5},{1_700_000_000 + 50 * u + i}"
        for u in range(12)
        for i in range(15)
        if (u + 2 * i) % 3
    ]
    path = tmp_path / "ratings.csv"
    path.write_text("user_id,item_id,rating,timestamp\n" + "\n".join(rows) + "\n")
    return path


def test_help_names_every_verb_and_imports_nothing_heavy():
    code = (
        "import sys\nfrom foretaste.cli import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print('HEAVY', [m for m in ('numpy', 'polars', 'numba', 'fastapi', 'sqlalchemy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for verb in (
        "demo",
        "data",
        "train",
        "evaluate",
        "recommend",
        "serve",
        "ingest",
        "models",
        "keys",
        "audit",
        "rules",
    ):
        assert verb in done.stdout
    assert done.stdout.rstrip().endswith("HEAVY []")


def test_version_is_shown(capsys):
    assert run(capsys, "--version")[1].startswith("foretaste ")


@pytest.mark.parametrize(
    ("words", "exit_code", "said"),
    [
        (["data", "check", "missing.csv"], 3, "missing.csv"),
        (["train", "missing.csv"], 2, "--model"),
        (["recommend"], 2, "nobody"),
        (["evaluate", "missing.csv", "-m", "no_such_model"], 2, "no_such_model"),
        (["evaluate", "missing.csv", "-m", "ease", "-p", "regularisation=3"], 2, "regularisation"),
        (["evaluate", "missing.csv", "-p", "a"], 2, "name=value"),
        (["train", "--pipeline", "no-such-file.toml"], 2, "no-such-file.toml"),
        (["data", "sample", "--users", "1", "--events", "999999999", "--out", "x"], 2, "n_events"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_with_a_hint(capsys, tmp_path, monkeypatch, words, exit_code, said):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, *words)
    assert code == exit_code
    assert said in err
    assert "Traceback" not in err + out
    assert "hint:" in err


def test_debug_shows_the_trace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError):
        main(["recommend", "--debug"])


def test_an_unexpected_error_is_one_line_too(capsys, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("the moon\nfell down")

    monkeypatch.setattr("foretaste.settings.load_settings", fail)
    code, _, err = run(capsys, "models", "list")
    assert code == 1
    assert "unexpected RuntimeError: the moon fell down" in err
    assert "--debug" in err


def test_an_error_as_json_keeps_code_and_hint(capsys, tmp_path):
    code, out, _ = run(capsys, "data", "check", tmp_path / "missing.csv", "--json")
    error = json.loads(out)["error"]
    assert code == 3
    assert error["code"] == "data_file"
    assert "missing.csv" in error["message"]


def test_a_wrong_option_is_a_usage_error(capsys):
    assert run(capsys, "evaluate", "x.csv", "-k", "0")[0] == 2
    assert run(capsys, "nonsense")[0] == 2


def test_check_reports_rows_and_statistics(capsys, ratings):
    ratings.write_text(ratings.read_text() + "u1,i1,NaN,1700000000\nu1,i2,four,1700000000\n")
    code, out, _ = run(capsys, "data", "check", ratings, "--json")
    report = json.loads(out)["report"]["interactions"]
    assert code == 0
    assert report["read"] - report["kept"] == 2
    assert sum(reason["count"] for reason in report["dropped"].values()) == 2
    assert "interactions" in run(capsys, "data", "check", ratings)[1]


def test_columns_can_be_named(capsys, tmp_path):
    path = tmp_path / "odd.csv"
    path.write_text("who;what\na;x\nb;y\n")
    assert run(capsys, "data", "check", path)[0] == 3
    code, out, _ = run(capsys, "data", "check", path, "--user", "who", "--item", "what", "--json")
    assert code == 0
    assert json.loads(out)["report"]["interactions"]["kept"] == 2


def test_convert_writes_a_folder_that_reads_back(capsys, ratings, tmp_path):
    code, out, _ = run(capsys, "data", "convert", ratings, "--out", tmp_path / "set", "--json")
    written = json.loads(out)
    again = json.loads(run(capsys, "data", "check", tmp_path / "set", "--json")[1])
    assert code == 0
    assert again["report"]["interactions"]["kept"] == written["interactions"]


def test_sample_is_the_same_for_the_same_seed(capsys, tmp_path):
    sizes = ["--users", 60, "--items", 40, "--events", 600]
    for name in ("a", "b"):
        assert run(capsys, "data", "sample", *sizes, "--out", tmp_path / name)[0] == 0
    assert (tmp_path / "a" / "interactions.parquet").read_bytes() == (
        tmp_path / "b" / "interactions.parquet"
    ).read_bytes()


def test_one_model_can_be_fitted_on_files(capsys, ratings, tmp_path):
    folder = tmp_path / "model"
    code, out, _ = run(capsys, "train", ratings, "-m", "ials", "-p", "n_factors=4", "-o", folder, "--json")
    assert code == 0
    assert json.loads(out)["config"]["n_factors"] == 4
    from foretaste import load_model

    assert load_model(folder).recommend(["u1"], k=3)[0].item_ids


def test_evaluate_compares_beside_random_and_popular(capsys, ratings, tmp_path):
    code, out, _ = run(capsys, "evaluate", ratings, "-m", "item_knn", "-k", 3, "-o", tmp_path / "out", "--json")
    done = json.loads(out)
    assert code == 0
    assert {model["name"] for model in done["models"]} == {"random", "popular", "item_knn"}
    assert all(model["error"] is None for model in done["models"])
    assert (tmp_path / "out" / "comparison.png").stat().st_size > 1000
    table = run(capsys, "evaluate", ratings, "-m", "item_knn", "-k", 3, "--split", "time")[1]
    assert "global time split" in table


def test_the_way_from_files_to_lists(capsys, ratings, tmp_path):
    home = ["--home", tmp_path / "home"]
    stored = json.loads(run(capsys, "ingest", ratings, *home, "--json")[1])["stored"]
    assert stored["events_new"] > 100
    again = json.loads(run(capsys, "ingest", ratings, *home, "--json")[1])["stored"]
    assert again["events_new"] == 0
    version = json.loads(run(capsys, "train", *home, "--json")[1])["version"]
    listed = json.loads(run(capsys, "models", "list", *home, "--json")[1])
    assert [(v["version"], v["is_live"]) for v in listed] == [(version, True)]
    answer = json.loads(run(capsys, "recommend", "u1", *home, "-k", 3, "--json")[1])[0]
    assert answer["model_version"] == version
    assert len(answer["items"]) == 3
    table = run(capsys, "recommend", "u1", "--history", "i1,i2", "--similar-to", "i3", *home, "-k", 2)[1]
    assert table.count("model " + version) == 3
    assert run(capsys, "models", "delete", version, *home)[0] == 6
    assert run(capsys, "models", "promote", "missing", *home)[0] == 4
    assert json.loads(run(capsys, "models", "show", version, *home)[1])["is_live"]


def test_a_version_is_rolled_out_and_back_from_the_command_line(capsys, ratings, tmp_path):
    home = ["--home", tmp_path / "home"]
    run(capsys, "ingest", ratings, *home, "--json")
    first = json.loads(run(capsys, "train", *home, "--json")[1])["version"]
    second = json.loads(run(capsys, "train", "--no-promote", *home, "--json")[1])["version"]

    def status():
        return json.loads(run(capsys, "models", "status", *home, "--json")[1])

    assert run(capsys, "models", "promote", second, "--canary", "5%", "--for", "10m", *home)[0] == 0
    found = status()
    assert (found["live"], found["candidate"], found["stage"]) == (first, second, "canary")
    assert (found["share"], found["seconds"]) == (0.05, 600)
    assert "canary" in run(capsys, "models", "status", *home)[1]
    assert json.loads(run(capsys, "models", "retire", "--keep", 0, *home, "--json")[1]) == {"deleted": []}
    assert run(capsys, "models", "rollback", *home)[0] == 0
    assert (status()["live"], status()["candidate"]) == (first, None)
    assert run(capsys, "models", "promote", second, "--now", *home)[0] == 0
    assert run(capsys, "models", "rollback", *home)[0] == 0
    assert status()["live"] == first
    assert json.loads(run(capsys, "models", "retire", "--keep", 0, *home, "--json")[1]) == {"deleted": [second]}
    for wrong in (["--canary", "7"], ["--canary", "x"], ["--for", "soon"], ["--now", "--shadow"]):
        assert run(capsys, "models", "promote", first, *wrong, *home)[0] == 2, wrong


def test_rules_are_checked_set_and_shown_from_the_command_line(capsys, tmp_path):
    file, home = tmp_path / "rules.toml", ("--home", tmp_path / "home")
    file.write_text('[[rules]]\nkind = "hide"\nname = "recall"\nitems = ["i1"]\nvalid_until = 2030-01-01\n')
    assert json.loads(run(capsys, "rules", "check", file, "--json", *home)[1])[0]["items"] == 0
    assert run(capsys, "rules", "set", file, *home)[0] == 0
    shown = json.loads(run(capsys, "rules", "show", *home)[1])
    assert [rule["valid_until"] for rule in shown["rules"]] == ["2030-01-01"]
    file.write_text('[[rules]]\nkind = "filter"\nname = "dear"\ndeny = "item.price >"\n')
    code, _, said = run(capsys, "rules", "set", file, *home)
    assert code == 2
    assert "rule 'dear', deny" in said
    assert "recall" in run(capsys, "rules", "show", *home)[1]


def test_kinds_lists_every_model_with_its_parameters(capsys):
    kinds = json.loads(run(capsys, "models", "kinds", "--json")[1])
    assert "n_factors" in kinds["ials"]["properties"]


def test_parameters_are_json_where_they_can_be():
    assert parse_parameters(["a=1", "b=x", "c=[1, 2]", "d=a=b"]) == {"a": 1, "b": "x", "c": [1, 2], "d": "a=b"}
