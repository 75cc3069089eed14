"""Amounts, instants, numbers and acts in words."""

from __future__ import annotations

import pytest

from schemas.explanations import Cancellation, Engagements, Order, Orders, Refund, Waiting
from segmenters.instants import NEVER
from segmenters.phrases import Phrases

POUNDS = Phrases("GBP", "UTC")


@pytest.mark.parametrize(
    ("currency", "minor", "written"),
    [
        ("GBP", 0, "£0.00"),
        ("GBP", -12_345_678, "-£123,456.78"),
        ("JPY", 1_500, "¥1,500"),
        ("KWD", 1, "KWD 0.001"),
    ],
)
def test_amounts_are_in_major_units(currency: str, minor: int, written: str) -> None:
    assert Phrases(currency, "UTC").money(minor) == written


def test_what_was_is_said_to_the_minute_and_what_is_due_exactly() -> None:
    assert POUNDS.minute(1_298_967_967_890) == "2011-03-01 08:26"
    assert POUNDS.instant(1_298_967_967_890) == "2011-03-01 08:26:07.890"
    assert POUNDS.instant(1_298_967_967_000) == "2011-03-01 08:26:07"


@pytest.mark.parametrize(
    ("act", "en", "zh"),
    [
        (Order(0, None), "an order", "再下一单"),
        (Order(0, 500), "an order of at most £5.00", "再下一单,金额不超过 £5.00"),
        (Order(500, 500), "an order of £5.00", "再下一单,金额 £5.00"),
        (Order(1, 500), "an order of £0.01 to £5.00", "再下一单,金额在 £0.01 到 £5.00 之间"),
        (Orders(9, None), "9 more orders", "再下 9 单"),
        (Orders(3, 5_210), "3 orders of £52.10 each", "再下 3 单,每单 £52.10"),
        (Refund(12_000, None), "a refund of at least £120.00", "退款不少于 £120.00"),
        (
            Cancellation(0),
            "the order of 1970-01-01 00:00 cancelled",
            "取消 1970-01-01 00:00 的订单",
        ),
        (Engagements(1), "an engagement", "再互动 1 次"),
        (Engagements(2), "2 engagements", "再互动 2 次"),
        (
            Waiting(1),
            "nothing new until 1970-01-01 00:00:00.001",
            "到 1970-01-01 00:00:00.001 为止没有新动态",
        ),
    ],
)
def test_every_act_has_words(act: object, en: str, zh: str) -> None:
    words = POUNDS.act(act)  # type: ignore[arg-type]
    assert (words.en, words.zh) == (en, zh)


def test_what_never_happened_is_said() -> None:
    assert POUNDS.numbers({"p": NEVER}).en == "last order: never"


def test_profit_of_a_window_has_words() -> None:
    assert POUNDS.numbers({"P30": -500}).en == "-£5.00 of profit in the last 30 days"
