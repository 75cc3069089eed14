"""What is wrong in a table is told in the file's words, wherever in the table it is."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec
import pytest

from schemas.errors import RulesError
from segmenters.decoding import convert, only

Share = Annotated[int, msgspec.Meta(ge=0, le=100)]


class Inner(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    mode: Literal["plain", "quantile"] = "plain"
    share: Share = 3


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    basis: Literal["spend", "profit"] = "spend"
    pairs: dict[str, tuple[Share, Share]] = {}
    named: dict[str, Inner] = {}
    several: tuple[Inner, ...] = ()
    inner: Inner | None = None
    on: bool = True
    amount: Decimal = Decimal(1)
    count: int = 1


@pytest.mark.parametrize(
    ("table", "path", "said"),
    [
        ({"basis": "spent"}, "t.basis", 'expected one of "spend", "profit", got \'spent\''),
        ({"inner": {"mode": "p"}}, "t.inner.mode", 'expected one of "plain", "quantile"'),
        ({"inner": {"mod": 1}}, "t.inner.mod", "did you mean mode? expected one of mode, share"),
        ({"named": {"a": {}, "b": {"x": 1}}}, "t.named.b.x", "expected one of mode, share"),
        ({"named": {"b": {"mode": "x"}}}, "t.named.b.mode", 'expected one of "plain"'),
        ({"several": [{}, {"shar": 1}]}, "t.several[1].shar", "did you mean share?"),
        ({"pairs": {"high": [1, 2], "mid": [1, 101]}}, "t.pairs.mid[1]",
         "expected a whole number <= 100, got 101"),
        ({"pairs": {"high": 3}}, "t.pairs.high", "expected a list, got 3"),
        ({"pairs": {"high": [1]}}, "t.pairs.high", "expected a list of length 2, got [1]"),
        ({"inner": 3}, "t.inner", "expected a table, got 3"),
        ({"on": 1}, "t.on", "expected true or false, got 1"),
        ({"amount": "x"}, "t.amount", "expected a decimal, got 'x'"),
        ({"amount": float("inf")}, "t.amount", "a number up to 100,000,000,000,000, got Infinity"),
        ({"amount": 1e30}, "t.amount", "expected a number up to 100,000,000,000,000, got 1E+30"),
        ({"count": 10**30}, "t.count", "expected a number up to 100,000,000,000,000, got 1000"),
        ({"amount": []}, "t.amount", "expected a decimal"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_path_what_is_allowed_and_what_came(
    table: dict[str, Any], path: str, said: str
) -> None:
    with pytest.raises(RulesError) as caught:
        convert(table, Table, "t")
    assert caught.value.path == path
    assert said in caught.value.detail


def test_what_is_right_is_made() -> None:
    made = convert({"named": {"a": {"mode": "quantile"}}, "pairs": {"x": [1, 2]}}, Table, "t")
    assert made.named == {"a": Inner("quantile")}
    assert made.pairs == {"x": (1, 2)}


@pytest.mark.parametrize(
    ("table", "path"), [(3, "systems"), ([], "systems"), ({"a": 1}, "systems.a")]
)
def test_only_tables_of_known_keys_pass(table: Any, path: str) -> None:
    only({"b": 1}, ("b", "c"), "systems.")
    with pytest.raises(RulesError) as caught:
        only(table, ("b", "c"), "systems.")
    assert caught.value.path == path
