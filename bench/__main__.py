"""Print the benchmark's figures: ``scripts/bench --help`` lists jobs, ``JOB --help`` options."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from bench import headcount, latency, lookup, soak, steps, worker
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
    "lookup": "lookups among a million customers, straight from Redis and over HTTP",
    "headcount": "a pass that counts customers and revenue by segment, without Kafka",
    "soak": "live for long: growth of memory, files, tasks and threads; exits 1 beyond a bound",
}


HOT_SKEW = 1.1
HOT_BOUND = 1.3
"""How much dearer than the stream asked for an event may be when a few customers make most."""


def main() -> None:
    """Run what was asked for and print it."""
    options = _arguments()
    if options.job == "latency":
        _print_latency(options)
    elif options.job == "lookup":
        _print_lookup(options)
    elif options.job == "headcount":
        _print_headcount(options)
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
    many = "customers held by one worker"
    parsers["headcount"].add_argument("--customers", type=int, default=1_000_000, help=many)
    long = soak.Plan()
    add = parsers["soak"].add_argument
    add("--minutes", type=float, default=long.minutes, help="how long; 20 for a release")
    add("--rate", type=int, default=long.rate, help="events per second; 0: half of what it can do")
    looked = lookup.Plan()
    add = parsers["lookup"].add_argument
    add("--customers", type=int, default=looked.customers, help="customers in Redis")
    add("--rate", type=int, default=looked.rate, help="lookups per second, by schedule")
    add("--seconds", type=int, default=looked.seconds, help="length of each schedule")
    add("--connections", type=int, default=looked.connections, help="that ask side by side")
    for name, each in parsers.items():
        each.add_argument("--seed", type=int, default=1, help="the same seed, the same load")
        if name in {"latency", "lookup", "soak"}:
            each.add_argument("--json", action="store_true", help="print one JSON object")
    return parser.parse_args(sys.argv[1:] or ["all"])


def _print_replay(options: argparse.Namespace) -> None:
    wanted = ("steps", "worker") if options.job == "all" else (options.job,)
    if options.shop:
        stream = simulate(Plan(options.customers, options.days, options.seed))
        drawn = "a simulated shop"
    else:
        stream, drawn = _stream(options, options.skew), f"skew {options.skew}"
    print(
        f"{stream.events} events of {stream.customers} customers in {options.days} days, "
        f"{drawn}, seed {options.seed}, checksum {stream.checksum}"
    )
    tell = {"steps": _print_steps, "worker": _print_worker}
    usual = {job: tell[job](stream) for job in wanted}
    del stream
    hot = _stream(options, HOT_SKEW)
    for job, micros in usual.items():
        steps_of_hot = steps.run(hot, defaults()) if job == "steps" else ()
        got = steps.total_of(steps_of_hot) if steps_of_hot else worker.run(hot).micros
        told = f"skew {HOT_SKEW}: {got / micros:.2f} times the above, at most {HOT_BOUND}"
        print(f"{f'{job}, hot keys':20} {got:8.2f} us/event   {told}")


def _stream(options: argparse.Namespace, skew: float) -> Stream:
    return generate(
        options.events, options.customers, skew=skew, days=options.days, seed=options.seed
    )


def _print_steps(stream: Stream) -> float:
    rules = defaults()
    found = steps.run(stream, rules)
    for step in found:
        name = f"  {step.name}" if step.part else step.name
        print(f"{name:20} {step.micros:8.2f} us/event   {step.note}")
    whole = steps.total_of(found)
    print(f"{'sum':20} {whole:8.2f} us/event")
    tick = steps.idle_tick(rules)
    print(f"{tick.name:20} {tick.micros:8.0f} us a tick  {tick.note}")
    return whole


def _print_worker(stream: Stream) -> float:
    got = worker.run(stream)
    print(f"{'worker CPU':20} {got.micros:8.2f} us/event   {got.events} events")
    print(f"{'wall':20} {got.events / got.wall_s:8.0f} events/s   beside the broker")
    print(f"{'peak memory':20} {got.peak_bytes / 2**20:8.0f} MiB")
    rate = got.restored / got.restore_s
    speed = got.restored_bytes / got.restore_s / 2**20
    print(f"{'restore':20} {rate:8.0f} rows/s     {got.restored} rows, {speed:.0f} MiB/s")
    return got.micros


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


def _print_lookup(options: argparse.Namespace) -> None:
    plan = lookup.Plan(**{name: getattr(options, name) for name in lookup.Plan._fields})
    got = lookup.run(plan)
    print(lookup.as_json(plan, got) if options.json else "\n".join(lookup.lines(got)))


def _print_headcount(options: argparse.Namespace) -> None:
    got = headcount.measure(options.customers)
    print(f"{got.customers:,} customers: {got.whole:.0f} ms of the processor a pass, "
          f"{got.slice_median:.2f} ms a slice")  # fmt: skip


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
