"""The rules file that ships is the default pack, with every parameter and its default in it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from segmenters.describe import default_of, parameters
from segmenters.rules import DEFAULT_PACK, EngineRules, defaults, load, loads
from segmenters.systems import OWN

SHIPPED = Path(__file__).parents[1] / "rules" / "default.toml"
TEXT = SHIPPED.read_text(encoding="utf-8")


def uncommented(text: str) -> str:
    """Remove one # from lines that are keys or tables, and leave out those without a value."""
    lines = []
    for line in text.splitlines():
        bare = line.removeprefix("# ")
        if bare != line and re.match(r'(\w+ = (?!…)|\[|"\w+:)', bare) is None:
            continue
        lines.append(bare)
    return "\n".join(lines)


def flat(table: dict[str, Any], path: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in table.items():
        found |= flat(value, f"{path}{name}.") if isinstance(value, dict) else {path + name: value}
    return found


def test_the_shipped_file_says_what_runs_without_one() -> None:
    assert load(SHIPPED).version == defaults().version


def test_every_system_stands_in_it_those_of_the_default_pack_enabled() -> None:
    table = tomllib.loads(TEXT)
    assert set(table["systems"]) == {key for key in DEFAULT_PACK if key in OWN}
    assert set(tomllib.loads(uncommented(TEXT))["systems"]) == set(OWN)


@pytest.mark.parametrize("key", ["engine", *OWN])
def test_every_parameter_stands_in_it_with_its_default_and_its_unit(key: str) -> None:
    kind = EngineRules if key == "engine" else OWN[key]
    table = tomllib.loads(uncommented(TEXT))
    written = flat(table["engine"] if key == "engine" else table["systems"][key])
    for parameter in parameters(kind):
        plain = msgspec.to_builtins(parameter.default, str_keys=True)
        if parameter.default is None:
            assert f"# {parameter.name} = …" in TEXT
        elif isinstance(plain, dict):
            path = key if key == "engine" else f"systems.{key}"
            assert f"[{path}.{parameter.name}]" in TEXT
        else:
            found = msgspec.convert(written[parameter.name], type(parameter.default))
            assert found == parameter.default, parameter.name
    lines = [line.removeprefix("# ") for line in TEXT.splitlines()]
    for parameter in parameters(kind):
        name = parameter.name.rpartition(".")[2]
        table_name = parameter.name.partition(".")[0]
        places = (f"{name} = ", f"{table_name} = ", f"[systems.{key}.{table_name}]")
        said = [line for line in lines if line.startswith(places)]
        assert not parameter.unit or any(parameter.unit in line for line in said), parameter.name


def test_the_tables_that_are_absent_by_default_are_valid_when_uncommented() -> None:
    systems = [key for key in OWN if key in DEFAULT_PACK]
    rules = loads(uncommented(TEXT).replace('EUR = "0.86"', ""))
    for system in rules.systems:
        usual = type(system)()
        for field in msgspec.structs.fields(type(system)):
            found, default = getattr(system, field.name), default_of(field)
            if default is None and found is not None:
                assert found == type(found)(), field.name
            else:
                assert found == getattr(usual, field.name), field.name
    assert set(systems) <= {system.key for system in rules.systems}
