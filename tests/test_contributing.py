"""What CONTRIBUTING.md shows works as it stands there."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from subprocess import CompletedProcess

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
FILES: Final = dict(
    re.findall(r"\*\*`([\w/.]+)`\*\*\n\n```(?:python|toml)\n(.*?)```", PAGE, re.DOTALL)
)
SYSTEM: Final = "segmenters/systems/second_order.py"
TEST: Final = "tests/segmenters/systems/test_second_order.py"
HISTORY: Final = """customer_id,ts,type,amount,ref
once,2010-12-01T08:00:00Z,purchase,5,1
twice,2010-12-01T08:00:00Z,purchase,5,2
twice,2010-12-20T08:00:00Z,purchase,5,3
"""


def run(folder: Path, *words: str, **variables: str) -> CompletedProcess[str]:
    """Run Python in a folder whose modules go before those of this clone."""
    environment = os.environ | {"PYTHONPATH": str(folder)} | variables
    return subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


def rewake(folder: Path, *words: str, **variables: str) -> CompletedProcess[str]:
    main = "import sys, streams.cli; sys.exit(streams.cli.main())"
    return run(folder, "-c", main, *words, **variables)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a copy of the sources in which the page's steps 2, 4 and 5 have been followed."""
    folder = tmp_path_factory.mktemp("clone")
    ignored = shutil.ignore_patterns("__pycache__")
    for part in ("schemas", "segmenters", "streams"):
        shutil.copytree(ROOT / part, folder / part, ignore=ignored)
    for name in (
        "pyproject.toml",
        "tests/conftest.py",
        "tests/interpreted.py",
        "tests/segmenters/test_checks.py",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    for name in (SYSTEM, TEST, "second_order.toml"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(FILES[name], encoding="utf-8")
    (folder / "h.csv").write_text(HISTORY)
    known = folder / "segmenters" / "systems" / "__init__.py"
    text, named = re.subn(r"for s in \(", "for s in (SecondOrder, ", known.read_text())
    text, imported = re.subn(
        r"(?m)^(from segmenters\.systems\.rfm .*)$",
        r"\1\nfrom segmenters.systems.second_order import SecondOrder",
        text,
    )
    assert (named, imported) == (1, 1), "the tuple of OWN has moved: see step 4 of the page"
    known.write_text(text, encoding="utf-8")
    return folder


def told(folder: Path, **variables: str) -> list[tuple[str, str | None, str, str]]:
    words = ("--rules", "second_order.toml", "--until", "2011-01-31", "--out", "c.jsonl")
    done = rewake(folder, "replay", "h.csv", *words, **variables)
    assert done.returncode == 0, done.stderr
    changes = [json.loads(line) for line in (folder / "c.jsonl").read_text().splitlines()]
    assert {change["system"] for change in changes} == {"second_order"}
    return [(c["customer_id"], c["from"], c["to"], c["cause"]) for c in changes]


NAME_OF_THE_KERNEL: Final = """
from pathlib import Path
from segmenters.engine import Engine
from segmenters.rules import load
print(Engine(load(Path("second_order.toml"))).kernel.path.name)
"""
WANTED: Final = [
    ("once", None, "awaited", "event"),
    ("twice", None, "awaited", "event"),
    ("twice", "awaited", "made", "event"),
    ("once", "awaited", "overdue", "clock"),
]


def test_the_page_has_the_files_it_speaks_of() -> None:
    assert set(FILES) == {SYSTEM, TEST, "second_order.toml", "pyproject.toml"}


@pytest.mark.timeout(300)
def test_the_system_of_the_page_keeps_every_promise(clone: Path) -> None:
    done = rewake(clone, "check-system", "segmenters.systems.second_order:SecondOrder", "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 0, found
    assert found["kept"] is True
    assert len(found["checks"]) >= 9


@pytest.mark.timeout(300)
def test_the_test_of_the_page_passes_and_so_do_the_systems_example_and_its_checks(
    clone: Path,
) -> None:
    files = (TEST, SYSTEM, "tests/segmenters/test_checks.py")
    done = run(clone, "-m", "pytest", "-q", "-k", "second_order", "-p", "no:cacheprovider", *files)
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) >= 3 + 1 + 7, done.stdout


@pytest.mark.timeout(300)
def test_the_rules_of_the_page_are_valid_and_a_replay_with_them_tells_changes(clone: Path) -> None:
    valid = rewake(clone, "validate", "second_order.toml")
    assert valid.returncode == 0, valid.stderr
    assert "overdue  逾期未复购 / Second order overdue   → 引导复购 / Nudge" in valid.stdout
    assert told(clone) == WANTED


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Give a folder in which the page's file is installed as a package of its own."""
    package = tmp_path / "my_shop"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "second_order.py").write_text(FILES[SYSTEM], encoding="utf-8")
    declared = tmp_path / "my_shop-1.0.dist-info"
    declared.mkdir()
    (declared / "METADATA").write_text("Metadata-Version: 2.1\nName: my-shop\nVersion: 1.0\n")
    group = re.search(r'\[project\.entry-points\."([\w.]+)"\]\n(.*)', FILES["pyproject.toml"])
    assert group is not None
    entry = group[2].replace('"', "")
    (declared / "entry_points.txt").write_text(f"[{group[1]}]\n{entry}\n")
    (tmp_path / "second_order.toml").write_text(FILES["second_order.toml"], encoding="utf-8")
    (tmp_path / "h.csv").write_text(HISTORY)
    return tmp_path


@pytest.mark.timeout(300)
def test_the_same_file_works_from_a_package_of_its_own(site: Path, full: bool) -> None:
    # Compiled, the same file is run by the other tests.
    switch = {} if full else {"NUMBA_DISABLE_JIT": "1"}
    assert told(site, **switch) == WANTED
    checked = rewake(site, "check-system", "second_order", **switch)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "10 of 10 promises kept" in checked.stdout


@pytest.mark.timeout(300)
def test_an_edit_of_an_installed_packages_file_changes_what_is_told(site: Path) -> None:
    def kernel() -> str:
        done = run(site, "-c", NAME_OF_THE_KERNEL)
        assert done.returncode == 0, done.stderr
        return done.stdout

    unedited = kernel()
    file = site / "my_shop" / "second_order.py"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("if f.n >= 2:", "if f.n >= 1 + 2:"), encoding="utf-8")
    assert kernel() != unedited
    assert ("twice", "awaited", "made", "event") not in told(site)
    file.write_text(text, encoding="utf-8")
    assert kernel() == unedited  # what was compiled of it before is right again


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#]+)", PAGE))))
def test_what_the_page_links_to_exists(link: str) -> None:
    assert (ROOT / link).exists(), link
