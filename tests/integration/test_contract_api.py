"""Whatever is sent, the answer is one that the API document names, and never a 500."""

import shutil
import time

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as rules
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from foretaste.api.app import create_app
from foretaste.api.server import background_server
from foretaste.serving.access import Tokens
from foretaste.settings import load_settings

pytestmark = pytest.mark.integration
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
SECRET = "a secret of this test, long enough for a signature"
DOCUMENT = create_app(load_settings()).openapi()
OPERATIONS = {
    result.ok().label: result.ok() for result in schemathesis.openapi.from_dict(DOCUMENT).get_all_operations()
}
POSITIVE, NEGATIVE = schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE


def questions():
    """Each operation with valid input, and with invalid input where anything can be wrong: a path takes any text."""
    for label, operation in sorted(OPERATIONS.items()):
        yield pytest.param(label, POSITIVE, id=f"{label} valid")
        if operation.body or any(p.location != "path" for p in operation.iter_parameters()):
            yield pytest.param(label, NEGATIVE, id=f"{label} invalid")


@pytest.fixture(scope="module")
def url(trained_home, tmp_path_factory):
    """A server that asks nobody for a key."""
    home = shutil.copytree(trained_home, tmp_path_factory.mktemp("contract") / "home")
    with background_server(load_settings(foretaste_home=home, api_port=0, log_level="error")) as server:
        yield server.url


@pytest.fixture(scope="module")
def closed_url(trained_home, tmp_path_factory):
    """A server that needs a key or a token."""
    home = shutil.copytree(trained_home, tmp_path_factory.mktemp("closed") / "home")
    settings = load_settings(foretaste_home=home, api_port=0, log_level="error", secret_key=SECRET)
    with background_server(settings) as server:
        yield server.url


@pytest.fixture(scope="module")
def credentials():
    """Those of an administrator: a token, which no request under test can revoke."""
    token = Tokens(SECRET).make("tester", ["admin"], ttl_s=3600, now=time.time())
    return {"Authorization": f"Bearer {token}"}


def only(credentials, case):
    """``credentials``, and none that the case made up."""
    for name in ("Authorization", "X-API-Key"):
        case.headers.pop(name, None)
    return credentials


def asking(max_examples):
    """How cases are made: always the same ones."""
    return rules(
        max_examples=max_examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


def test_all_routes_are_under_test():
    assert len(OPERATIONS) == sum(len(methods) for methods in DOCUMENT["paths"].values()) >= 22


@pytest.mark.parametrize(("label", "mode"), list(questions()))
def test_every_answer_is_documented_and_none_is_a_server_error(url, label, mode):
    @asking(30)
    @given(case=OPERATIONS[label].as_strategy(generation_mode=mode))
    def check(case):
        case.call_and_validate(base_url=url, checks=CHECKS)

    check()


@pytest.mark.parametrize("label", sorted(OPERATIONS))
def test_with_a_credential_and_without_the_answers_are_the_documented_ones(closed_url, credentials, label):
    operation = OPERATIONS[label]
    needs_one = bool(operation.definition.raw["security"])

    @asking(5)
    @given(case=operation.as_strategy(generation_mode=POSITIVE))
    def check(case):
        answer = case.call_and_validate(base_url=closed_url, headers=only(credentials, case), checks=CHECKS)
        assert answer.status_code not in {401, 403}
        answer = case.call_and_validate(base_url=closed_url, headers=only({}, case), checks=CHECKS)
        assert (answer.status_code in {401, 414}) is needs_one

    check()
