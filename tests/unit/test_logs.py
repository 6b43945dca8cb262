"""What may not stand in logs does not."""

import json

import pytest

from foretaste.logs import configure_logs, get_logger

KEY_SECRET = "A1b2_C3d4-E5f6A1b2_C3d4-E5f6A1b2_C3d4-E5f6A"
KEY = f"ft_a1b2c3d4e5f6_{KEY_SECRET}"
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbmEifQ.s1gnature-_"


@pytest.fixture(autouse=True)
def as_before():
    yield
    configure_logs(level="warning")


@pytest.mark.parametrize("form", ["text", "json"])
def test_credentials_and_secrets_of_settings_are_masked_wherever_they_stand(capsys, form):
    configure_logs(level="debug", form=form, secrets=("hunter2", "hunter2-long", ""))
    log = get_logger("test")
    log.info("one", url="postgresql://shop:hunter2-long@db/shop", password="anything", note=f"sent {KEY}", n=3)
    log.info(f"Bearer {TOKEN}", headers={"authorization": f"Bearer {KEY}"}, found=[TOKEN])
    try:
        raise ValueError(f"bad credential {KEY} and hunter2")
    except ValueError:
        log.exception("failed", error=ValueError(TOKEN))
    text = capsys.readouterr().err
    for secret in (KEY_SECRET, TOKEN, "hunter2", "-long", "anything"):
        assert secret not in text
    assert "ft_a1b2c3d4e5f6_***" in text  # which key it was may be told
    assert "postgresql://shop:***@db/shop" in text


def test_other_values_stay_as_they_are(capsys):
    configure_logs(form="json")
    get_logger("test").info("fitted", items=12480, seconds=3.5, live=None, ok=True, names=["a", "b"], at={"x": 1})
    line = json.loads(capsys.readouterr().err)
    assert (line["items"], line["seconds"], line["live"], line["ok"]) == (12480, 3.5, None, True)
    assert (line["names"], line["at"]) == (["a", "b"], {"x": 1})
