"""A worker that runs for long holds what it held, and no more."""

from __future__ import annotations

import asyncio

import pytest

from bench import soak


@pytest.mark.server
@pytest.mark.timeout(1800)
async def test_nothing_grows_while_a_worker_runs(full: bool):
    plan = soak.Plan(minutes=20) if full else soak.Plan(minutes=0.6, rate=300)
    got = await asyncio.to_thread(soak.run, plan)
    print("\n".join(got.lines()))  # noqa: T201 - shown when the test fails, and with -s
    assert got.first.tasks
    assert not got.grown


def test_what_grows_is_noticed():
    steady = [soak.Sample(float(s), 200.0 + (s % 7), 30 + s % 3, 50, 6) for s in range(900)]
    assert not soak.judge(1, steady).grown
    for name, step in (("memory_mib", 0.1), ("file_descriptors", 1), ("tasks", 1), ("threads", 1)):
        growing = [
            each._replace(**{name: getattr(each, name) + step * n}) for n, each in enumerate(steady)
        ]
        assert len(soak.judge(1, growing).grown) == 1, name
