"""Signed tokens: what is checked, and that nothing but the right signature, time and audience lets in."""

import base64
import json

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretaste.errors import ConfigurationError
from foretaste.serving.access import Tokens

NOW = 1_800_000_000.0
SECRET = "s" * 40
TOKENS = Tokens(SECRET)


def signed(secret=SECRET, algorithm="HS256", headers=None, **claims):
    return jwt.encode({"exp": NOW + 60, "scope": "read", **claims}, secret, algorithm=algorithm, headers=headers)


def test_a_token_that_was_made_here_lets_in_until_it_ends():
    token = TOKENS.make("ana", ["write"], ttl_s=60, now=NOW)
    principal = TOKENS.read(token, now=NOW + 59)
    assert principal is not None
    assert (principal.name, principal.actor, principal.key_id) == ("token:ana", "token:ana", None)
    assert principal.grants == {"events", "read", "write"}
    assert principal.expires_at == NOW + 60
    assert TOKENS.read(token, now=NOW + 60) is None


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": None},
        {"exp": "soon"},
        {"exp": True},
        {"exp": 1e400},
        {"exp": [NOW + 60]},
        {"nbf": NOW + 11},
        {"nbf": "now"},
        {"aud": "another service"},
    ],
)
def test_wrong_times_and_audiences_let_nobody_in(claims):
    assert TOKENS.read(signed(**claims), now=NOW) is None


def test_a_token_without_an_end_lets_nobody_in():
    assert TOKENS.read(jwt.encode({"scope": "admin"}, SECRET, algorithm="HS256"), now=NOW) is None


def test_a_signer_whose_clock_is_a_little_ahead_is_forgiven():
    assert TOKENS.read(signed(nbf=NOW + 9, iat=NOW + 9), now=NOW) is not None


def test_another_secret_or_algorithm_lets_nobody_in():
    assert TOKENS.read(signed(secret="t" * 40), now=NOW) is None
    assert TOKENS.read(signed(secret="s" * 64, algorithm="HS512"), now=NOW) is None
    assert Tokens("s" * 64).read(signed(secret="s" * 64, algorithm="HS512"), now=NOW) is None


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "HS256", "RS256", "", 5, None])
def test_an_unsigned_token_lets_nobody_in_whatever_it_says_of_itself(algorithm):
    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    for signature in ("", "x", "AAAA"):
        token = f"{part({'alg': algorithm, 'typ': 'JWT'})}.{part({'exp': NOW + 60, 'scope': 'admin'})}.{signature}"
        assert TOKENS.read(token, now=NOW) is None


def test_issuer_and_audience_are_checked_where_they_are_set():
    tokens = Tokens(SECRET, issuer="login.example", audience="foretaste")
    assert tokens.read(tokens.make("a", ["read"], ttl_s=9, now=NOW), now=NOW) is not None
    assert tokens.read(signed(iss="login.example", aud=["x", "foretaste"]), now=NOW) is not None
    for claims in ({}, {"iss": "login.example"}, {"aud": "foretaste"}, {"iss": "x", "aud": "foretaste"}):
        assert tokens.read(signed(**claims), now=NOW) is None


@pytest.mark.parametrize(
    ("claims", "grants"),
    [
        ({"scope": "read events"}, {"read", "events"}),
        ({"scope": None, "scopes": ["read"]}, {"read"}),
        ({"scope": "root READ"}, set()),
        ({"scope": 5, "scopes": 5}, set()),
        ({"scope": [], "scopes": [5, None, "admin"]}, {"events", "read", "write", "admin"}),
    ],
)
def test_scopes_are_a_text_or_an_array_and_unknown_ones_give_nothing(claims, grants):
    principal = TOKENS.read(signed(**claims), now=NOW)
    assert principal is not None
    assert principal.grants == grants


@pytest.mark.parametrize("name", [None, 5, "", "x" * 300, "a\x1b[31m"])
def test_a_name_that_is_none_is_not_taken(name):
    claims = {} if name is None else {"sub": name}
    try:
        token = signed(**claims)
    except TypeError:  # the signer already refuses it
        token = jwt.api_jws.encode(
            json.dumps({"exp": NOW + 60, "scope": "read", **claims}).encode(), SECRET, algorithm="HS256"
        )
    principal = TOKENS.read(token, now=NOW)
    assert principal is None or principal.name == "token:token"


@pytest.mark.parametrize("ttl_s", [0, -1, float("inf")])
def test_a_token_without_a_length_is_not_made(ttl_s):
    with pytest.raises(ConfigurationError, match="cannot last"):
        TOKENS.make("a", ["read"], ttl_s=ttl_s, now=NOW)


@given(st.text(max_size=200))
def test_rubbish_lets_nobody_in_and_raises_nothing(text):
    assert TOKENS.read(text, now=NOW) is None
    assert TOKENS.read(f"{text}.{text}.{text}", now=NOW) is None
