"""The gate before the hot routes, as granian brings requests to them: what FastAPI refuses, they never answer."""

import asyncio
import time

import pytest

from foretaste.api.app import create_app
from foretaste.api.policy import Policy
from foretaste.api.rsgi import Front
from foretaste.serving.access import Tokens
from foretaste.serving.bootstrap import open_engine
from foretaste.settings import Rate, load_settings

LIST = "/api/v1/recommendations/user/u-000"
SIMILAR = "/api/v1/items/p-000/similar"
EVENTS = "/api/v1/interactions"
EVENT = b'{"user_id": "u-000", "item_id": "p-000"}'
SECRET = "s" * 40


class Request:
    """One request and its answer, as granian's objects behave."""

    proto, http_version, scheme, server, authority = "http", "1.1", "http", "127.0.0.1:8000", None

    def __init__(self, method, path, headers, body=b"", client="10.1.2.3:5000"):
        self.method, self.path, self.query_string, self.headers, self.client = method, path, "", headers, client
        self.body, self.was_read = body, False
        self.status, self.answered = None, {}

    async def __call__(self):
        self.was_read = True
        return self.body

    async def __aiter__(self):
        self.was_read = True
        yield self.body

    async def client_disconnect(self):
        await asyncio.Event().wait()

    def response_bytes(self, status, headers, body):
        self.status, self.answered = status, dict(headers)


@pytest.fixture
def front(engine):
    return front_of(engine)


def front_of(engine, policy=None):
    """A front whose whole application must not be asked for what the hot routes answer."""
    return Front(create_app(engine, policy=policy or Policy()), runs_lifespan=False)


async def ask(front, method, path, credential=None, *, body=b"", **headers):
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    if credential is not None:
        given["authorization"] = f"Bearer {credential}"
    if body:
        given["content-length"] = str(len(body))
    request = Request(method, path, given, body)
    await front.__rsgi__(request, request)
    return request


async def key_of(engine, *scopes, **rest):
    return (await engine.access.keys.create("-".join(scopes), scopes, now=time.time(), **rest))[1]


@pytest.fixture
def counted(engine):
    """How many requests the hot routes themselves have answered so far."""

    def count():
        return engine.lists.figures.hits + engine.lists.figures.misses + engine.lists.figures.stale

    return count


async def test_hot_lists_are_refused_to_strangers_and_given_to_readers(front, engine, counted):
    assert (await ask(front, "GET", LIST)).status == 200  # open: nobody is known yet
    asked = counted()
    key = await key_of(engine, "read")
    for path in (LIST, SIMILAR):
        for credential in (None, key[:-1], key + "x", "ft_000000000000_" + key[16:], "a.b.c", ""):
            answer = await ask(front, "GET", path, credential)
            assert (answer.status, answer.answered["www-authenticate"]) == (401, 'Bearer realm="foretaste"')
    assert counted() == asked
    for _ in range(2):  # made known by the gate behind, then let through in front
        assert (await ask(front, "GET", LIST, key)).status == 200
    assert (await ask(front, "GET", LIST, x_api_key=key)).status == 200
    assert (await ask(front, "GET", LIST, key, x_api_key=key)).status == 401  # two credentials are none


async def test_hot_events_need_their_scope_before_the_body_is_read(front, engine):
    reader, poster = await key_of(engine, "read"), await key_of(engine, "events")
    for credential, status in ((None, 401), (reader, 403)):
        answer = await ask(front, "POST", EVENTS, credential, body=EVENT)
        assert (answer.status, answer.was_read) == (status, False)
    for _ in range(2):
        assert (await ask(front, "POST", EVENTS, poster, body=EVENT)).status == 200
        assert (await ask(front, "GET", LIST, poster)).status == 403  # a key in a page reads nobody's list


async def test_a_key_revoked_here_or_elsewhere_is_refused_on_hot_routes(front, engine, home):
    keys = [await key_of(engine, "read"), await key_of(engine, "write")]
    for key in keys:
        assert [(await ask(front, "GET", LIST, key)).status for _ in range(2)] == [200, 200]
    await engine.access.keys.revoke("read", now=time.time())
    assert [(await ask(front, "GET", LIST, key)).status for key in keys] == [401, 200]
    async with open_engine(load_settings(foretaste_home=home)) as other:
        await other.access.keys.revoke("write", now=time.time())
    engine.access._look()  # as 50 ms later
    assert [(await ask(front, "GET", LIST, key)).status for key in keys] == [401, 401]


async def test_keys_and_tokens_that_are_over_are_refused_although_they_were_known(home):
    now = time.time()
    moment = now
    async with open_engine(load_settings(foretaste_home=home, secret_key=SECRET)) as engine:
        front = front_of(engine)
        front._app.state.gate._clock = lambda: moment
        token = engine.access.tokens.make("ana", ["read"], ttl_s=60, now=now)
        key = await key_of(engine, "read", ttl_s=60)
        wrong = Tokens("t" * 40).make("ana", ["read"], ttl_s=60, now=now)
        for credential in (token, key):
            assert [(await ask(front, "GET", LIST, credential)).status for _ in range(2)] == [200, 200]
        assert (await ask(front, "GET", LIST, wrong)).status == 401
        moment = now + 61
        for credential in (token, key):
            assert (await ask(front, "GET", LIST, credential)).status == 401


async def test_hot_routes_count_by_key_and_without_keys_by_address(engine):
    policy = Policy(rates={"read": Rate(1, 3600.0, 3), "write": Rate(1, 3600.0, 1)}, trusted_proxies=("10.1.2.3",))
    front = front_of(engine, policy)
    answers = [await ask(front, "GET", LIST) for _ in range(4)]
    assert [answer.status for answer in answers] == [200, 200, 200, 429]
    assert [answer.answered["ratelimit"].split(";")[1] for answer in answers] == ["r=2", "r=1", "r=0", "r=0"]
    assert 3500 < int(answers[3].answered["retry-after"]) <= 3600
    assert (await ask(front, "GET", LIST, x_forwarded_for="10.9.9.9")).status == 200
    assert [(await ask(front, "POST", EVENTS, body=EVENT)).status for _ in range(2)] == [200, 429]
    one, two = await key_of(engine, "read"), await key_of(engine, "write")
    assert [(await ask(front, "GET", LIST, one)).status for _ in range(4)] == [200, 200, 200, 429]
    assert (await ask(front, "GET", LIST, two)).status == 200


async def test_pages_of_listed_sites_are_answered_on_hot_routes(engine, counted):
    front = front_of(engine, Policy(cors_origins=frozenset({"https://shop.example"})))
    for origin in ("https://shop.example", "https://evil.example"):
        answer = await ask(front, "GET", LIST, origin=origin)
        allowed = answer.answered.get("access-control-allow-origin")
        assert (answer.status, allowed) == (200, origin if "shop" in origin else None)
        assert answer.answered["vary"] == "Origin"
    assert counted() == 2
    assert (await ask(front, "POST", EVENTS, body=EVENT, origin="https://shop.example")).status == 200
    assert (await ask(front, "POST", EVENTS, body=EVENT, origin="https://evil.example")).status == 403
    poster = await key_of(engine, "events")
    answer = await ask(front, "POST", EVENTS, poster, body=EVENT, origin="https://evil.example")
    assert answer.status == 200  # with a key nothing is done that the key may not do; the page cannot read the answer
    assert "access-control-allow-origin" not in answer.answered


async def test_hot_answers_protect_their_reader(engine):
    answer = await ask(front_of(engine, Policy(hsts_seconds=60)), "GET", LIST)
    assert answer.answered["x-content-type-options"] == "nosniff"
    assert answer.answered["cache-control"] == "no-store"
    assert answer.answered["strict-transport-security"] == "max-age=60; includeSubDomains"
