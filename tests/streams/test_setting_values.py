"""Values as an operator writes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.setting_values import Address, _write_duration, parse_address, parse_duration


@given(st.integers(min_value=0, max_value=10**12))
def test_a_span_that_was_written_reads_back_the_same(span: int) -> None:
    assert parse_duration(_write_duration(span)) == span


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("0s", 0),
        ("2s", 2_000),
        ("0.25s", 250),
        ("250ms", 250),
        (" 5m ", 300_000),
        ("2d", 172_800_000),
    ],
)
def test_a_span_is_read_exactly(text: str, span: int) -> None:
    assert parse_duration(text) == span


@pytest.mark.parametrize("text", ["", "2", "s", "-2s", "2 s", "0.5ms", "1e3s", "2s3", "٢s", "inf"])
def test_a_span_without_unit_or_sense_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a span with its unit"):
        parse_duration(text)


@given(st.integers(min_value=0, max_value=65_535), st.sampled_from(["::1", "127.0.0.1", "web"]))
def test_an_address_that_was_written_reads_back_the_same(port: int, host: str) -> None:
    assert parse_address(str(Address(host, port))) == Address(host, port)


@pytest.mark.parametrize("text", ["", "host", ":80", "host:", "host:x", "host:65536", "host:-1"])
def test_something_that_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="host:port"):
        parse_address(text)
