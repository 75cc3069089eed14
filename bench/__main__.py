"""Print the benchmark's figures; ``scripts/bench --help`` tells the jobs and options."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from bench import steps, worker
from bench.stream import generate
from segmenters.rules import defaults

if TYPE_CHECKING:
    from bench.stream import Stream

JOBS = {
    "steps": "CPU of each step in this process, without Kafka",
    "worker": "the whole worker on real Kafka: CPU and events/s, then restore",
}


def main() -> None:
    """Run what was asked for and print it."""
    told = "; ".join(f"{name}: {what}" for name, what in JOBS.items())
    parser = argparse.ArgumentParser(prog="scripts/bench", description=f"Jobs: {told}.")
    parser.add_argument("job", nargs="?", default="all", choices=("all", *JOBS))
    parser.add_argument("--events", type=int, default=1_000_000)
    # 6,000 give about 0.06 changes an event, what the budgets assume; 20,000 give 0.14.
    parser.add_argument("--customers", type=int, default=6_000)
    parser.add_argument("--days", type=int, default=30, help="span of event time")
    parser.add_argument("--skew", type=float, default=0.8, help="Zipf exponent; 1.1: hot keys")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    stream = generate(
        options.events,
        options.customers,
        skew=options.skew,
        days=options.days,
        seed=options.seed,
    )
    print(
        f"{stream.events} events of {stream.customers} customers in {options.days} days, "
        f"skew {options.skew}, seed {options.seed}, checksum {stream.checksum}"
    )
    if options.job in ("all", "steps"):
        print_steps(stream)
    if options.job in ("all", "worker"):
        print_worker(stream)


def print_steps(stream: Stream) -> None:
    """Print the steps."""
    rules = defaults()
    found = steps.run(stream, rules)
    for step in found:
        print(f"{step.name:20} {step.micros:8.2f} us/event   {step.note}")
    print(f"{'sum':20} {sum(step.micros for step in found):8.2f} us/event")
    tick = steps.idle_tick(rules)
    print(f"{tick.name:20} {tick.micros:8.0f} us a tick  {tick.note}")


def print_worker(stream: Stream) -> None:
    """Print the whole."""
    got = worker.run(stream)
    print(f"{'worker CPU':20} {got.cpu_s / got.events * 1e6:8.2f} us/event   {got.events} events")
    print(f"{'wall':20} {got.events / got.wall_s:8.0f} events/s   beside the broker")
    print(f"{'peak memory':20} {got.peak_bytes / 2**20:8.0f} MiB")
    rate = got.restored / got.restore_s
    speed = got.restored_bytes / got.restore_s / 2**20
    print(f"{'restore':20} {rate:8.0f} rows/s     {got.restored} rows, {speed:.0f} MiB/s")


if __name__ == "__main__":
    main()
