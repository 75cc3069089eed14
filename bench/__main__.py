"""Print the benchmark's figures: ``python -m bench [steps] [--events N] [--customers N] [--skew S]``."""

from __future__ import annotations

import argparse

from bench import steps
from bench.stream import generate
from segmenters.rules import defaults


def main() -> None:
    """Run what was asked for and print it."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("job", nargs="?", default="all", choices=("all", "steps"))
    parser.add_argument("--events", type=int, default=500_000)
    parser.add_argument("--customers", type=int, default=25_000)
    parser.add_argument("--skew", type=float, default=0.8)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    stream = generate(options.events, options.customers, skew=options.skew, seed=options.seed)
    print(f"{stream.events} events, {stream.customers} customers, skew {options.skew}, seed {options.seed}, checksum {stream.checksum}")
    rules = defaults()
    found = steps.run(stream, rules)
    for step in found:
        print(f"{step.name:20} {step.micros:8.2f} us/event   {step.note}")
    print(f"{'sum':20} {sum(step.micros for step in found):8.2f} us/event")
    tick = steps.idle_tick(rules)
    print(f"{tick.name:20} {tick.micros:8.0f} us         {tick.note}")


if __name__ == "__main__":
    main()
