"""List the licence of every library that is installed here, those without one first."""

from __future__ import annotations

from collections import defaultdict
from importlib.metadata import Distribution, distributions

_CLASSIFIER = "License :: "


def licence(library: Distribution) -> str:
    """Return what a library's metadata says of its licence, in few words."""
    said = library.metadata
    classified = [
        each.rpartition(" :: ")[2]
        for each in said.get_all("Classifier", ())
        if each.startswith(_CLASSIFIER)
    ]
    first = (said.get("License") or "").strip().partition("\n")[0]
    return said.get("License-Expression") or ", ".join(classified) or first or "(none is named)"


def main() -> None:
    """Print licence by licence who has it."""
    found: dict[str, list[str]] = defaultdict(list)
    for library in distributions():
        found[licence(library)].append(f"{library.metadata['Name']} {library.version}")
    for name, libraries in sorted(found.items()):
        print(f"{name}: {', '.join(sorted(libraries, key=str.lower))}")  # noqa: T201


if __name__ == "__main__":
    main()
