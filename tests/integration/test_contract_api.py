"""Whatever is sent, the answer is one that the API document names, and never a 500."""

import shutil

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
from foretaste.settings import load_settings

pytestmark = pytest.mark.integration
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
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
    home = shutil.copytree(trained_home, tmp_path_factory.mktemp("contract") / "home")
    with background_server(load_settings(foretaste_home=home, api_port=0, log_level="error")) as server:
        yield server.url


def test_all_routes_are_under_test():
    assert len(OPERATIONS) == sum(len(methods) for methods in DOCUMENT["paths"].values()) >= 22


@pytest.mark.parametrize(("label", "mode"), list(questions()))
def test_every_answer_is_documented_and_none_is_a_server_error(url, label, mode):
    operation = OPERATIONS[label]

    @rules(
        max_examples=30,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case):
        case.call_and_validate(base_url=url, checks=CHECKS)

    check()
