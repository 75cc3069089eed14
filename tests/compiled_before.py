"""Compile the kernels which many tests need, once: ``python -m tests.compiled_before``.

Started together, processes with the same rules would each compile the same kernel for half a
minute; so `scripts/test` does it beforehand, beside the checks.
"""

from __future__ import annotations

from pathlib import Path

from segmenters.rules import load
from segmenters.warming import warm_up

ROOT = Path(__file__).parents[1]


def main() -> None:
    """Compile for the default rules, and for those of the real shops."""
    for rules in (ROOT / "rules" / "default.toml", *sorted((ROOT / "data").glob("*/rules.toml"))):
        warm_up(load(rules))


if __name__ == "__main__":
    main()
