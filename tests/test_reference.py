"""Generated pages and the shipped rules file are what the code says, and say all of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from reference import __main__ as reference
from reference import rules_file, systems_page
from segmenters.describe import parameters
from segmenters.rules import EngineRules
from segmenters.systems import OWN

if TYPE_CHECKING:
    from pathlib import Path

    import msgspec

KINDS = [EngineRules, *OWN.values()]
PAGE = systems_page.write()


@pytest.mark.parametrize("name", reference.FILES)
def test_the_committed_file_is_what_the_code_generates(name: str) -> None:
    committed = (reference.ROOT / name).read_text(encoding="utf-8")
    assert committed == reference.FILES[name](), "run scripts/reference"


def test_a_file_that_differs_is_named_and_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(reference, "ROOT", tmp_path)
    assert reference.main(["--check"]) == 1
    assert "rules/default.toml is not what the code generates" in capsys.readouterr().out
    assert reference.main([]) == 0
    assert reference.main(["--check"]) == 0
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*")} == set(
        reference.FILES
    )


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_parameter_has_a_meaning_and_every_number_a_unit(kind: type[msgspec.Struct]) -> None:
    found = parameters(kind)
    assert [each.name for each in found if not each.text] == []
    numbers = [each for each in found if re.search(r"number|decimal", each.type)]
    # The unit is told by the name's last word, or by Meta(extra={"unit": …}) where that tells none.
    assert [each.name for each in numbers if not each.unit and each.name != "by_value"] == []


@pytest.mark.parametrize("kind", OWN.values(), ids=lambda kind: kind.key)
def test_the_page_of_a_system_has_its_names_segments_and_parameters(kind: type[Any]) -> None:
    system = kind()
    section = re.search(
        rf"^## {system.number} {system.key}: (.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL
    )
    assert section is not None
    text = section[1]
    assert text.startswith(f"{system.title.zh} / {system.title.en}\n")
    for segment in system.segments:
        label = system.labels[segment]
        assert f"| `{segment}` | {label.zh} | {label.en} |" in text
    for parameter in parameters(kind):
        assert f"| `{parameter.name}` | {parameter.type} |" in text
    for window in system.windows:
        assert f"{window} days" in text
    for name in (*system.measures, *system.needs):
        assert f"`{name}`" in text


def test_a_system_outside_the_default_pack_stands_commented_out_and_can_be_uncommented(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rules_file, "DEFAULT_PACK", ("lifecycle", "monetary_tier"))
    text = rules_file.write()
    before, _, after = text.partition("# [systems.rfm]\n")
    assert "# Not in the default pack; remove the # to enable it.\n" in before
    lines = after.split("\n\n")[0].splitlines()
    assert all(line.startswith("# ") for line in lines)
    assert '# map = "A"' in lines


# ---- names that are public: each that exists stands on its page


def names_in_code(pattern: str) -> set[str]:
    """Return the names a pattern finds in the packages' sources."""
    folders = (reference.ROOT / package for package in ("schemas", "segmenters", "streams"))
    sources = (path for folder in folders for path in folder.rglob("*.py"))
    return {name for path in sources for name in re.findall(pattern, path.read_text("utf-8"))}


def page(name: str) -> str:
    return reference.FILES[f"docs/reference/{name}.md"]()


@pytest.mark.parametrize(
    ("name", "pattern", "at_least"),
    [
        ("settings", r"\bREWAKE_[A-Z][A-Z_]*[A-Z]\b", 20),
        ("metrics", r'"((?:rewake|kafka)_[a-z][a-z_]*_(?:total|seconds|bytes|lag|offset))"', 10),
        ("redis", r"\brw:[a-z]+", 8),
        ("topics", r'"((?:commerce|customers|outreach|segmentation)\.[a-z-]+\.v\d)"', 12),
        ("errors", r'^    code = "([a-z_]+)"$', 0),
    ],
)
def test_every_public_name_in_the_code_stands_on_its_page(
    name: str, pattern: str, at_least: int
) -> None:
    found = names_in_code(f"(?m){pattern}")
    assert len(found) >= at_least
    text = page(name)
    # A variable that names a file is written down once, for all settings.
    assert [each for each in sorted(found) if each.removesuffix("_FILE") not in text] == []


def test_every_route_of_the_service_stands_on_its_page() -> None:
    from reference.http_page import application

    text = page("http")
    routes = [re.sub(r":\w+}", "}", each.path) for each in application().routes]
    assert len(routes) >= 10
    own = [path for path in routes if not path.startswith("/schema")]  # litestar's
    assert [path for path in own if f" {path}`" not in text] == []


def test_every_setting_option_and_delivery_error_is_explained() -> None:
    from reference.commands_page import commands
    from reference.errors_page import errors
    from reference.pages import attributes
    from schemas.errors import DeliveryError
    from streams.settings import Settings

    said = attributes(Settings)
    assert [name for name in Settings.model_fields if not said.get(name)] == []
    silent = [
        (path, each.name)
        for path, command in commands()
        for each in command.params
        if not getattr(each, "help", "")
    ]
    assert silent == []
    leaves = [
        each
        for each in errors()
        if issubclass(each, DeliveryError) and each.__base__ is DeliveryError
    ]
    assert leaves
    assert [each.code for each in leaves if "\n\n" not in (each.__doc__ or "")] == []
