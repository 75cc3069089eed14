"""No secret is shown, whatever form it comes in."""

from __future__ import annotations

import logging
import re

import pytest

from streams.logs import set_up
from streams.masking import MASK, is_secret, mask, mask_url, secrets_in
from streams.settings import Settings, load_settings


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://:se:same@cache:6379/0", f"redis://:{MASK}@cache:6379/0"),
        ("rediss://worker:se/same@cache/0", f"rediss://worker:{MASK}@cache/0"),
        ("rediss://worker:s@me@cache/0?db=1", f"rediss://worker:{MASK}@cache/0?db=1"),
        ("unix:///run/redis.sock?password=sesame&db=2", f"unix:///run/redis.sock?password={MASK}&db=2"),
        ("redis://worker@cache:6379/0", "redis://worker@cache:6379/0"),
        ("redis://[::1]:6379/0", "redis://[::1]:6379/0"),
    ],
)  # fmt: skip
def test_a_password_in_a_url_is_masked_however_it_is_written(url: str, shown: str) -> None:
    assert mask_url(url) == shown


def test_every_setting_that_holds_a_secret_is_known_as_such() -> None:
    secret = {name for name, field in Settings.model_fields.items() if is_secret(field)}
    assert secret >= {"redis", "kafka_sasl_password", "kafka_ssl_key_password"}
    telling = re.compile("password|secret|token")
    assert {name for name in Settings.model_fields if telling.search(name)} <= secret


def test_a_word_is_masked_in_every_form_it_may_be_printed_in() -> None:
    word = "o'pen \"sé%same"
    settings = load_settings(None, kafka_sasl_password=word)
    hidden = secrets_in(settings)
    for form in (word, repr(word), str(word.encode()), "o%27pen%20%22s%C3%A9%25same"):
        assert "same" not in mask(f"got {form}!", hidden)


def test_a_line_of_any_library_is_written_without_secrets(
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        set_up("debug", "json", ["open-sesame"])
        crash = ValueError("open-sesame")
        logging.getLogger("kafka.net").error("as %r", b"\0me\0open-sesame", exc_info=crash)
    finally:
        root.handlers[:], root.level = before
    said = capsys.readouterr().err
    assert said.count(MASK) == 2
    assert "sesame" not in said
