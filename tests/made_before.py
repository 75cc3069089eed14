"""Make what many tests need, once: ``python -m tests.made_before kernels``, or ``broker``.

Started together, processes with the same rules would each compile the same kernel for half a
minute, and each of some thirty brokers would load the same classes; so `scripts/test` does it
beforehand, beside the checks.
"""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from segmenters.rules import load
from segmenters.warming import warm_up
from streams.local.aot_cache import make_aot_cache

ROOT = Path(__file__).parents[1]


def main(what: str) -> None:
    """Compile for the default rules and those of the real shops, or keep a broker's classes."""
    if what == "broker":
        make_aot_cache(print)
        return
    files = [ROOT / "rules" / "default.toml", *sorted((ROOT / "data").glob("*/rules.toml"))]
    with ProcessPoolExecutor(len(files)) as pool:
        for each in [pool.submit(_compile, file) for file in files]:
            each.result()


def _compile(rules: Path) -> None:
    warm_up(load(rules))


if __name__ == "__main__":
    main(sys.argv[1])
