"""Each sentence of docs/guarantees.md names a test that exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")
NAMED = re.findall(r"\[([\w/]+\.py)::(\w+)\]", PAGE)


def test_the_page_names_tests():
    assert len(NAMED) > 30


@pytest.mark.parametrize(("file", "name"), sorted(set(NAMED)))
def test_a_test_that_is_named_exists(file: str, name: str):
    tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    assert name in {each.name for each in ast.walk(tree) if isinstance(each, functions)}


def test_each_promise_names_one():
    promises, _, _ = PAGE.partition("## What is not promised")
    for point in re.split(r"\n- ", promises)[1:]:
        text = point.split("\n\n")[0]
        assert "::" in text, f"no test is named for: {text[:80]}"
