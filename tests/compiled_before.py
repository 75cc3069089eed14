"""Make what many tests need, once: ``python -m tests.compiled_before``.

Started together, processes with the same rules would each compile the same kernel for half a
minute, and each of some thirty brokers would load the same classes; so `scripts/test` does it
beforehand, beside the checks.
"""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from segmenters.rules import load
from segmenters.warming import warm_up
from streams.local.aot_cache import make_aot_cache

ROOT = Path(__file__).parents[1]


def main() -> None:
    """Compile for the default rules, and those of the real shops; keep a broker's classes."""
    files = [ROOT / "rules" / "default.toml", *sorted((ROOT / "data").glob("*/rules.toml"))]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        done = [pool.submit(_compile, file) for file in files] + [pool.submit(_keep_classes)]
        for each in done:
            each.result()


def _compile(rules: Path) -> None:
    warm_up(load(rules))


def _keep_classes() -> None:
    make_aot_cache(print)


if __name__ == "__main__":
    main()
