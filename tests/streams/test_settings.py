"""Settings: where they come from, what is refused, and that no secret is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from schemas.errors import SettingsError
from streams.settings import MASK, load_settings, shown, unknown_variables

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "open-sesame"
SASL = {"kafka_security_protocol": "SASL_SSL", "kafka_sasl_username": "rewake"}


def test_without_anything_set_the_documented_defaults_hold() -> None:
    settings = load_settings(None)
    assert (settings.kafka, settings.app, settings.clock) == ("127.0.0.1:9092", "rewake", "live")
    assert (settings.grace, settings.partitions, settings.replication) == (2_000, 4, 1)
    assert (str(settings.web), str(settings.metrics)) == ("127.0.0.1:8080", "127.0.0.1:9100")
    assert settings.redis == "redis://127.0.0.1:6379/0"
    assert settings.rules is None


def test_sources_go_before_each_other_in_the_documented_order(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    dotenv, named, folder = tmp_path / ".env", tmp_path / "named", tmp_path / "secrets"
    folder.mkdir()

    (folder / "rewake_app").write_text("from-folder\n")
    monkeypatch.setenv("REWAKE_SECRETS_DIR", str(folder))
    assert load_settings(dotenv).app == "from-folder"

    dotenv.write_text("REWAKE_APP=from-dotenv\nOTHER=1\n")
    assert load_settings(dotenv).app == "from-dotenv"

    named.write_text("from-named-file\n")
    monkeypatch.setenv("REWAKE_APP_FILE", str(named))
    assert load_settings(dotenv).app == "from-named-file"

    monkeypatch.setenv("REWAKE_APP", "from-environment")
    assert load_settings(dotenv).app == "from-environment"

    assert load_settings(dotenv, app="from-caller").app == "from-caller"


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("REWAKE_GRACE", "2", "REWAKE_GRACE: expected a span with its unit"),
        ("REWAKE_KAFKA", "broker", "REWAKE_KAFKA: expected host:port"),
        ("REWAKE_KAFKA", "a:1,b", "REWAKE_KAFKA: expected host:port"),
        ("REWAKE_REDIS", "127.0.0.1:6379", "REWAKE_REDIS: expected a URL with redis://"),
        ("REWAKE_WEB", "8080", "REWAKE_WEB: expected host:port"),
        ("REWAKE_PARTITIONS", "0", "REWAKE_PARTITIONS: .*greater than or equal to 1, got '0'"),
        ("REWAKE_CLOCK", "past", "REWAKE_CLOCK: .*'live' or 'event', got 'past'"),
        ("REWAKE_APP", "two words", "REWAKE_APP: "),
        ("REWAKE_TOPIC_PREFIX", "a/", "REWAKE_TOPIC_PREFIX: "),
        ("REWAKE_SESSION_TIMEOUT", "5s", "REWAKE_SESSION_TIMEOUT: .*6000"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_with_what_it_may_be(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=said) as error:
        load_settings(None)
    assert error.value.exit_code == 2


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(SettingsError, match=r"REWAKE_KAFKA(?s:.*)REWAKE_GRACE"):
        load_settings(None, kafka="x", grace="y")


@pytest.mark.parametrize(
    ("until", "instant"),
    [("2011-12-10T00:00:00Z", 1_323_475_200_000), ("1323475200000", 1_323_475_200_000)],
)
def test_the_event_clock_ends_at_an_instant_in_either_form(until: str, instant: int) -> None:
    settings = load_settings(None, clock="event", until=until)
    assert settings.until == instant
    assert shown(settings)["REWAKE_UNTIL"] == "2011-12-10T00:00:00.000Z"


@pytest.mark.parametrize("until", ["2011-12-10T00:00:00", "1323475200", "-5", "soon"])
def test_an_end_that_cannot_be_meant_is_refused(until: str) -> None:
    with pytest.raises(SettingsError, match="REWAKE_UNTIL: expected an instant"):
        load_settings(None, clock="event", until=until)


def test_the_event_clock_without_an_end_is_refused() -> None:
    with pytest.raises(SettingsError, match="REWAKE_CLOCK=event needs REWAKE_UNTIL"):
        load_settings(None, clock="event")


def test_an_end_without_the_event_clock_is_refused() -> None:
    with pytest.raises(SettingsError, match="only with REWAKE_CLOCK=event"):
        load_settings(None, until="1323475200000")


def test_a_named_file_that_is_missing_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REWAKE_KAFKA_SASL_PASSWORD_FILE", "/nowhere/secret")
    with pytest.raises(SettingsError, match=r"REWAKE_KAFKA_SASL_PASSWORD_FILE: .*/nowhere/secret"):
        load_settings(None)


def test_a_secrets_folder_that_is_missing_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REWAKE_SECRETS_DIR", "/nowhere")
    with pytest.raises(SettingsError, match="REWAKE_SECRETS_DIR: expected a folder"):
        load_settings(None)


def test_a_login_needs_name_and_password() -> None:
    with pytest.raises(SettingsError, match="REWAKE_KAFKA_SASL_PASSWORD"):
        load_settings(None, **SASL)


def test_a_login_is_given_in_the_names_both_clients_take() -> None:
    settings = load_settings(None, **SASL, kafka_sasl_password=SECRET)
    arguments = settings.kafka_security()
    assert arguments.pop("ssl_context").check_hostname
    assert arguments == {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "rewake",
        "sasl_plain_password": SECRET,
    }
    assert load_settings(None).kafka_security() == {"security_protocol": "PLAINTEXT"}


def test_a_certificate_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    settings = load_settings(
        None, kafka_security_protocol="SSL", kafka_ssl_cafile=tmp_path / "missing.pem"
    )
    with pytest.raises(SettingsError, match="PEM"):
        settings.kafka_security()


@pytest.mark.parametrize(
    "url", [f"redis://:{SECRET}@cache:6379/0", f"rediss://user:{SECRET}@[::1]:6379/0"]
)
def test_no_secret_is_printed(url: str) -> None:
    settings = load_settings(
        None, **SASL, redis=url, kafka_sasl_password=SECRET, kafka_ssl_key_password=SECRET
    )
    printed = shown(settings)
    assert SECRET not in str(printed) + repr(settings.kafka_sasl_password)
    assert printed["REWAKE_KAFKA_SASL_PASSWORD"] == MASK
    assert printed["REWAKE_REDIS"] == url.replace(SECRET, MASK)


def test_no_secret_stands_in_an_error() -> None:
    with pytest.raises(SettingsError) as error:
        load_settings(None, redis=f"http://:{SECRET}@cache", kafka_sasl_password=[SECRET])
    assert SECRET not in str(error.value)


def test_a_misspelt_variable_is_named_with_the_one_meant() -> None:
    environ = {"REWAKE_GRCE": "2s", "REWAKE_APP": "a", "REWAKE_APP_FILE": "b", "PATH": "c"}
    assert unknown_variables(environ) == ["REWAKE_GRCE (did you mean REWAKE_GRACE?)"]
