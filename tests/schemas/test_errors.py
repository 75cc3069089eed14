"""The error tree."""

from __future__ import annotations

import pickle

import pytest

from schemas import errors
from schemas.errors import DeliveryError, Reason, Rejected, RewakeError, RulesError


def _tree(root: type[RewakeError]) -> list[type[RewakeError]]:
    return [root, *(leaf for branch in root.__subclasses__() for leaf in _tree(branch))]


def test_every_error_has_its_own_code() -> None:
    codes = [error.code for error in _tree(RewakeError)]
    assert len(codes) == len(set(codes))


def test_every_error_is_drawn_in_the_tree_on_top_of_the_module() -> None:
    assert errors.__doc__ is not None
    for error in _tree(RewakeError):
        assert error.__name__ in errors.__doc__
        if issubclass(error, DeliveryError) and error is not DeliveryError:
            assert f"{error.code}:" in errors.__doc__


@pytest.mark.parametrize("error", _tree(RewakeError), ids=lambda error: error.__name__)
def test_wrong_use_exits_with_2_and_everything_else_with_1(error: type[RewakeError]) -> None:
    assert error.exit_code == (2 if issubclass(error, errors.UsageError) else 1)


def test_the_reasons_are_the_public_ones() -> None:
    assert {reason.value for reason in Reason} == {
        "malformed_json",
        "missing_field",
        "wrong_type",
        "invalid_value",
        "unknown_type",
        "unknown_currency",
        "missing_customer",
        "misrouted",
        "implausible_timestamp",
        "future_timestamp",
        "too_late",
        "oversized",
    }


def test_errors_survive_the_way_to_another_process() -> None:
    rejected = pickle.loads(pickle.dumps(Rejected(Reason.MISROUTED, "key: expected c-1")))
    rules = pickle.loads(pickle.dumps(RulesError("engine.rates", "expected a table")))
    assert (rejected.reason, rejected.detail) == (Reason.MISROUTED, "key: expected c-1")
    assert str(rules) == "engine.rates: expected a table"
