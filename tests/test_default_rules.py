"""The rules file that ships is the default pack, with every parameter in it."""

from __future__ import annotations

from pathlib import Path

import msgspec

from segmenters.rules import EngineRules, defaults, load

SHIPPED = Path(__file__).parents[1] / "rules" / "default.toml"


def test_the_shipped_file_says_what_runs_without_one() -> None:
    assert load(SHIPPED).version == defaults().version


def test_every_parameter_stands_in_the_shipped_file() -> None:
    text = SHIPPED.read_text(encoding="utf-8")
    rules = defaults()
    named = {field.name for field in msgspec.structs.fields(EngineRules)}
    for system in rules.systems:
        assert f"[systems.{system.key}]" in text
        named |= {field.name for field in msgspec.structs.fields(system)}
    # by_value needs a system that is not there yet, and is refused without it.
    assert [name for name in sorted(named - {"by_value"}) if name not in text] == []
