"""Print the benchmark's figures: ``scripts/bench --help`` lists jobs, ``JOB --help`` options."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from bench import latency, soak, steps, worker
from bench.stream import generate, simulate
from segmenters.rules import defaults
from streams.simulated.plan import Plan

if TYPE_CHECKING:
    from bench.stream import Stream

JOBS = {
    "all": "steps and worker",
    "steps": "CPU of each step in this process, without Kafka",
    "worker": "the whole worker on real Kafka: CPU and events/s, then restore",
    "latency": "live: events to readable changes, deadlines to readable changes (about 4 minutes)",
    "soak": "live for long: growth of memory, files, tasks and threads; exits 1 beyond a bound",
}


def main() -> None:
    """Run what was asked for and print it."""
    options = _arguments()
    if options.job == "latency":
        _print_latency(options)
    elif options.job == "soak":
        _print_soak(options)
    else:
        _print_replay(options)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    jobs = parser.add_subparsers(dest="job", metavar="JOB", required=True)
    parsers = {
        name: jobs.add_parser(
            name,
            help=told,
            description=told,
            formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        )
        for name, told in JOBS.items()
    }
    for name in ("all", "steps", "worker"):
        add = parsers[name].add_argument
        add("--events", type=int, default=1_000_000, help="events of the stream")
        # 6,000 give about 0.06 changes an event, what the budgets assume; 20,000 give 0.14.
        add("--customers", type=int, default=6_000, help="customers they fall on")
        add("--days", type=int, default=30, help="span of event time")
        add("--skew", type=float, default=0.8, help="Zipf exponent; 1.1: hot keys")
        add("--shop", action="store_true", help="a simulated shop instead; events as they come")
    wanted = latency.Plan()
    add = parsers["latency"].add_argument
    add("--rate", type=int, default=wanted.rate, help="events per second, all the while")
    add("--seconds", type=int, default=wanted.seconds, help="length of events, of silence")
    add("--customers", type=int, default=wanted.customers, help="customers held from the start")
    add("--due", type=int, default=wanted.due, help="deadlines a second; 0: leave silence out")
    add("--mass", type=int, default=wanted.mass, help="deadlines at once; 0: leave mass out")
    add("--lead", type=int, default=0, help="seconds to get ready in; 0: by the customers")
    long = soak.Plan()
    add = parsers["soak"].add_argument
    add("--minutes", type=float, default=long.minutes, help="how long; 20 for a release")
    add("--rate", type=int, default=long.rate, help="events per second; 0: half of what it can do")
    for name, each in parsers.items():
        each.add_argument("--seed", type=int, default=1, help="the same seed, the same load")
        if name in {"latency", "soak"}:
            each.add_argument("--json", action="store_true", help="print one JSON object")
    return parser.parse_args(sys.argv[1:] or ["all"])


def _print_replay(options: argparse.Namespace) -> None:
    if options.shop:
        stream = simulate(Plan(options.customers, options.days, options.seed))
        drawn = "a simulated shop"
    else:
        stream = generate(
            options.events,
            options.customers,
            skew=options.skew,
            days=options.days,
            seed=options.seed,
        )
        drawn = f"skew {options.skew}"
    print(
        f"{stream.events} events of {stream.customers} customers in {options.days} days, "
        f"{drawn}, seed {options.seed}, checksum {stream.checksum}"
    )
    if options.job in ("all", "steps"):
        _print_steps(stream)
    if options.job in ("all", "worker"):
        _print_worker(stream)


def _print_steps(stream: Stream) -> None:
    rules = defaults()
    found = steps.run(stream, rules)
    for step in found:
        print(f"{step.name:20} {step.micros:8.2f} us/event   {step.note}")
    print(f"{'sum':20} {sum(step.micros for step in found):8.2f} us/event")
    tick = steps.idle_tick(rules)
    print(f"{tick.name:20} {tick.micros:8.0f} us a tick  {tick.note}")


def _print_worker(stream: Stream) -> None:
    got = worker.run(stream)
    print(f"{'worker CPU':20} {got.cpu_s / got.events * 1e6:8.2f} us/event   {got.events} events")
    print(f"{'wall':20} {got.events / got.wall_s:8.0f} events/s   beside the broker")
    print(f"{'peak memory':20} {got.peak_bytes / 2**20:8.0f} MiB")
    rate = got.restored / got.restore_s
    speed = got.restored_bytes / got.restore_s / 2**20
    print(f"{'restore':20} {rate:8.0f} rows/s     {got.restored} rows, {speed:.0f} MiB/s")


def _print_latency(options: argparse.Namespace) -> None:
    asked = {name: getattr(options, name) for name in latency.Plan._fields}
    plan = latency.Plan(**asked)
    got = latency.run(plan)
    if options.json:
        spreads = {name: spread._asdict() for name, spread in got.spreads.items()}
        print(json.dumps(got._asdict() | {"plan": plan._asdict(), "spreads": spreads}))
    else:
        print(f"{'ms':46} {'count':>8} {'p50':>8} {'p99':>8} {'max':>8}   promised p99")
        for name, each in got.spreads.items():
            promise = latency.PROMISES.get(name)
            told = "" if promise is None else f"{promise:8}"
            print(f"{name:46} {each.count:8} {each.p50:8} {each.p99:8} {each.most:8}   {told}")
        for name, share in got.cpu.items():
            print(f"{f'{name}: worker CPU':46} {share:8.2f} of a core")
        print(f"{'load average of the machine':46} {got.load:8.2f}")
        print("; ".join(got.wrong) or "every deadline fired once, at its instant")
    sys.exit(1 if got.wrong else 0)


def _print_soak(options: argparse.Namespace) -> None:
    plan = soak.Plan(minutes=options.minutes, rate=options.rate, seed=options.seed)
    got = soak.run(plan)
    if options.json:
        print(json.dumps(got._asdict() | {"plan": plan._asdict()}))
    else:
        for line in got.lines():
            print(line)
    sys.exit(1 if got.grown else 0)


if __name__ == "__main__":
    main()
