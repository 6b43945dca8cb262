"""Settings: from the environment and ``.env``, checked at start, silent about secrets."""

from pathlib import Path

import pytest

from foretaste.errors import ConfigurationError
from foretaste.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def test_the_defaults_need_nothing_but_a_folder() -> None:
    settings = load_settings()
    assert settings.records_url == "sqlite:///var/foretaste.db"
    assert settings.artifacts_url.startswith("file:///")
    assert settings.artifacts_url.endswith("/var/models")


def test_the_environment_wins_over_the_file_and_overrides_over_both(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("API_PORT=1111\nWORKERS=2\nSOMETHING_ELSE=x\n")
    monkeypatch.setenv("API_PORT", "2222")
    assert (load_settings().api_port, load_settings().workers) == (2222, 2)
    assert load_settings(api_port=3333, workers=None).api_port == 3333


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("API_PORT", "eighty", "API_PORT = 'eighty'"),
        ("API_PORT", "70000", "65535"),
        ("WORKERS", "0", "WORKERS = '0'"),
        ("DEFAULT_RECOMMENDATION_COUNT", "1001", "DEFAULT_RECOMMENDATION_COUNT"),
        ("LOG_LEVEL", "loud", "'debug', 'info'"),
        ("MODEL_UPDATE_INTERVAL", "nan", "MODEL_UPDATE_INTERVAL"),
        ("RATE_LIMIT_READ", "100", "100/s"),
        ("RATE_LIMIT_WRITE", "0/s", "above 0"),
        ("RATE_LIMIT_ADMIN", "5/s burst 0", "above 0"),
        ("TRUSTED_PROXIES", "10.0.0.0/8,proxy", "TRUSTED_PROXIES"),
        ("TRUSTED_PROXIES", "10.0.0.1/8", "host bits"),
        ("CORS_ORIGINS", "*", "is no origin"),
        ("CORS_ORIGINS", "https://shop.example/", "no path"),
        ("CORS_ORIGINS", "https://*.shop.example", "is no origin"),
        ("CORS_ORIGINS", "shop.example", "is no origin"),
        ("HSTS_SECONDS", "-1", "HSTS_SECONDS"),
    ],
)
def test_a_wrong_value_is_refused_with_its_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError, match=said) as caught:
        load_settings()
    assert "environment" in caught.value.hint


def test_all_wrong_values_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_PORT", "x")
    monkeypatch.setenv("WORKERS", "y")
    with pytest.raises(ConfigurationError, match=r"API_PORT.*WORKERS"):
        load_settings()


def test_a_password_in_a_url_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "user:hunter2@db.example/shop")
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert "DATABASE_URL" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_secret_is_not_shown() -> None:
    secret = "hunter2-hunter2-hunter2-hunter2-hunter2"
    settings = load_settings(secret_key=secret)
    assert "hunter2" not in repr(settings)
    assert settings.secret_key is not None
    assert settings.secret_key.get_secret_value() == secret
    assert settings.secrets == (secret,)


def test_a_secret_that_is_too_short_is_refused_and_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "hunter2")
    with pytest.raises(ConfigurationError, match="at least 32 bytes") as caught:
        load_settings()
    assert "hunter2" not in str(caught.value)
    assert load_settings(secret_key="").secret_key is None


def test_passwords_in_urls_are_known_as_secrets() -> None:
    settings = load_settings(database_url="postgresql://shop:hunter2@db.example/shop", artifact_url="file:///x")
    assert settings.secrets == ("hunter2",)


def test_words_and_rates_are_read_from_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORS_ORIGINS", "https://shop.example, http://localhost:3000")
    monkeypatch.setenv("TRUSTED_PROXIES", "10.0.0.0/8,::1")
    monkeypatch.setenv("RATE_LIMIT_READ", "600/min burst 50")
    settings = load_settings()
    assert settings.cors_origins == ("https://shop.example", "http://localhost:3000")
    assert settings.trusted_proxies == ("10.0.0.0/8", "::1")
    assert settings.rate_limits == {"read": (600, 60.0, 50)}
    assert load_settings(**settings.model_dump(mode="json", exclude_none=True)) == settings


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("shop.example", False)],
)
def test_which_addresses_only_this_machine_reaches(host: str, expected: bool) -> None:
    assert load_settings(api_host=host).is_loopback is expected


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"API_PORT=\xff\xfe\n")
    with pytest.raises(ConfigurationError, match=r"\.env"):
        load_settings()


def test_settings_do_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings().api_port = 1  # type: ignore[misc]
