"""``foretaste keys`` and ``foretaste audit``."""

import json
import re

import pytest

from foretaste.cli import main
from foretaste.cli.options import parse_duration, settings_of
from foretaste.errors import ConfigurationError
from foretaste.logs import get_logger
from foretaste.serving.access import Tokens


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    """Runs a command in a home of its own; gives its exit code, standard output and standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SECRET_KEY", raising=False)

    def command(*words):
        with pytest.raises(SystemExit) as ended:
            main(list(words))
        captured = capsys.readouterr()
        return ended.value.code or 0, captured.out, captured.err

    return command


def test_a_key_is_made_listed_revoked_and_all_of_it_noted(run):
    code, out, err = run("keys", "create", "shop", "--scope", "read", "-s", "events", "--expires", "90d")
    key = out.strip()
    assert code == 0
    assert re.fullmatch(r"ft_[0-9a-f]{12}_[\w-]{43}", key)
    assert "events, read" in err
    assert key not in err
    key_id, secret = key[3:15], key[16:]
    boss = json.loads(run("keys", "create", "boss", "-s", "admin", "--json")[1])
    assert boss["scopes"] == ["admin"]
    listed = json.loads(run("keys", "list", "--json")[1])
    assert [(row["name"], row["revoked_at"], row["last_used"]) for row in listed] == [
        ("shop", None, None),
        ("boss", None, None),
    ]
    assert listed[0]["expires_at"] - listed[0]["created_at"] == 90 * 86_400
    shown = run("keys", "list")[1] + json.dumps(listed)
    assert key_id in shown
    assert secret not in shown
    assert "hash" not in shown
    assert run("keys", "revoke", "shop")[0] == 0
    assert run("keys", "revoke", boss["id"])[0] == 0
    assert run("keys", "list")[1].count("revoked") == 2
    noted = json.loads(run("audit", "--json")[1])
    assert [(entry["actor"], entry["action"], entry["details"]["name"]) for entry in noted] == [
        ("command line", "create_key", "shop"),
        ("command line", "create_key", "boss"),
        ("command line", "revoke_key", "shop"),
        ("command line", "revoke_key", "boss"),
    ]
    assert "revoke_key" in run("audit", "--after", "2")[1]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["keys", "create", "shop"], 2, "--scope"),
        (["keys", "create", "shop", "-s", "root"], 2, "events, read, write, admin"),
        (["keys", "create", "shop", "-s", "read", "--expires", "soon"], 2, "90d"),
        (["keys", "create", "shop\n", "-s", "read"], 2, "no name"),
        (["keys", "revoke", "nobody"], 4, "foretaste keys list"),
        (["keys", "token", "-s", "read"], 2, "SECRET_KEY"),
    ],
)
def test_what_is_wrong_is_said(run, words, code, said):
    found, out, err = run(*words)
    assert (found, out) == (code, "")
    assert said in err


def test_before_the_first_key_the_lists_say_so(run):
    assert "keys create" in run("keys", "list")[2]
    assert "nothing" in run("audit")[2]


def test_a_token_is_signed_with_the_secret_of_the_settings(run, monkeypatch):
    secret = "s" * 40
    monkeypatch.setenv("SECRET_KEY", secret)
    monkeypatch.setenv("JWT_AUDIENCE", "shop")
    token = run("keys", "token", "-s", "read", "--ttl", "15min", "--name", "ana")[1].strip()
    now = 4_000_000_000.0
    assert Tokens(secret, audience="shop").read(token, now=now) is None  # over by then
    principal = Tokens(secret, audience="shop").read(token, now=0.0)
    assert principal is not None
    assert (principal.name, principal.grants) == ("token:ana", {"read"})
    assert Tokens(secret, audience="other").read(token, now=0.0) is None


def test_a_service_that_others_reach_does_not_start_without_a_key(run, monkeypatch):
    monkeypatch.setenv("API_PORT", "0")
    code, _, err = run("serve", "--host", "0.0.0.0")
    assert code == 2
    assert "can be reached by others" in err
    assert "foretaste keys create" in err


@pytest.mark.parametrize("text", ["", "0d", "5", "1 week", "-1h", "1.5h"])
def test_lengths_of_time_are_whole_numbers_with_a_unit(text):
    with pytest.raises(ConfigurationError):
        parse_duration(text)


def test_what_verbs_log_holds_no_secret_of_the_settings(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("REDIS_PASSWORD", "hunter2-and-more")
    settings_of(tmp_path)
    get_logger("test").warning("store_failed", error="redis://:hunter2-and-more@host refused")
    said = capsys.readouterr().err
    assert "store_failed" in said
    assert "hunter2" not in said
