"""Write all generated files: ``scripts/reference``; ``--check`` only names those that differ."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from reference import (
    commands_page,
    errors_page,
    http_page,
    metrics_page,
    redis_page,
    rules_file,
    rules_page,
    settings_page,
    systems_page,
    topics_page,
)

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT: Final = Path(__file__).parents[1]

FILES: Final[dict[str, Callable[[], str]]] = {
    "docs/reference/commands.md": commands_page.write,
    "docs/reference/errors.md": errors_page.write,
    "docs/reference/http.md": http_page.write,
    "docs/reference/metrics.md": metrics_page.write,
    "docs/reference/redis.md": redis_page.write,
    "docs/reference/rules.md": rules_page.write,
    "docs/reference/settings.md": settings_page.write,
    "docs/reference/systems.md": systems_page.write,
    "docs/reference/topics.md": topics_page.write,
    "rules/default.toml": rules_file.write,
}
"""Every generated file, and what makes its text."""


def stale() -> list[str]:
    """Return the files that are not what the code generates."""
    return [
        name
        for name, write in FILES.items()
        if not (ROOT / name).is_file() or (ROOT / name).read_text(encoding="utf-8") != write()
    ]


def main(words: list[str]) -> int:
    """Write what differs, or with ``--check`` only say so; 1 when something did then."""
    differing = stale()
    if words == ["--check"]:
        for name in differing:
            print(f"{name} is not what the code generates; run scripts/reference")  # noqa: T201
        return 1 if differing else 0
    for name in differing:
        path = ROOT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(FILES[name](), encoding="utf-8")
        print(f"wrote {name}")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
