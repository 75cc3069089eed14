"""Both real shops, whole: a replay tells exactly what the oracle tells, line for line.

The oracle takes minutes for a shop, but knows each customer alone. So it is asked of an eighth of
the customers, under rules that have everything at once; with --full of all, under those rules and
each variant alone. (The demo's tests ask of another eighth, under the shop's own rules.)
"""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from segmenters.rules import loads
from streams.history import read_history
from streams.replay import replay
from tests.oracle_on_file import is_in
from tests.properties.histories import OTHERS, pack

if TYPE_CHECKING:
    from collections.abc import Iterator

DATA = Path(__file__).parents[1] / "data"
SHOPS = ("online_retail", "complete_journey")
CADENCE = """new_days = 0
new_orders = 2
reactivated_orders = 1
[systems.lifecycle.cadence]
silent_pct = 150"""
VALUES = "by_value = { high = [60, 30], low = [120, 0] }\n"
PROFIT = 'basis = "profit"\nthresholds = { high = 1500, mid = 150 }\nmargin = 0.35\n'
DWELL = "damping = { dwell_days = 14, cooldown_days = 60 }"
BRIEFLY = "damping = { dwell_days = 3 }"
NEVER_AGAIN = OTHERS + '\ndamping = { reentry = "never" }'
EVERYTHING = "everything"
VARIANTS = {
    EVERYTHING: pack("Europe/London", VALUES + CADENCE, PROFIT + DWELL, BRIEFLY, NEVER_AGAIN),
    "cadence": pack("Europe/London", CADENCE),
    "profit": pack("UTC", VALUES, PROFIT),
    "damped": pack(
        "Europe/London",
        "silent_engagement_days = 0\nchurned_engagement_days = 0",
        DWELL,
        BRIEFLY,
        NEVER_AGAIN,
    ),
}
"""Rules of all seven systems."""
ALL, AN_EIGHTH = (0, 1), (1, 8)  # the demo's tests ask of the first eighth
COLUMNS = ("customer_id", "system", "from", "to", "at", "cause", "sequence")

Told = list[tuple[object, ...]]


def variants(config: pytest.Config) -> list[str]:
    return list(VARIANTS) if config.getoption("full") else [EVERYTHING]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    metafunc.parametrize("variant", variants(metafunc.config))


@pytest.fixture(scope="module")
def share(pytestconfig: pytest.Config) -> tuple[int, int]:
    """Tell of which share of the customers the oracle is asked."""
    return ALL if pytestconfig.getoption("full") else AN_EIGHTH


@pytest.fixture(scope="module")
def oracles(
    tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config, share: tuple[int, int]
) -> Iterator[dict[tuple[str, str], Future[Told]]]:
    """Let the oracle read every shop under every variant, a process for each, beside the engine."""
    folder = tmp_path_factory.mktemp("oracles")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield {
            (shop, variant): pool.submit(ask_oracle, shop, variant, folder, share)
            for shop in SHOPS
            for variant in variants(pytestconfig)
        }


def ask_oracle(shop: str, variant: str, folder: Path, share: tuple[int, int]) -> Told:
    rules, out = folder / f"{shop}-{variant}.toml", folder / f"{shop}-{variant}.json"
    rules.write_text(VARIANTS[variant], encoding="utf-8")
    events = DATA / shop / "events.csv.gz"
    command = [sys.executable, "-m", "tests.oracle_on_file", rules, events, out, *map(str, share)]
    subprocess.run(command, check=True, cwd=Path(__file__).parents[1])
    changes = msgspec.json.decode(out.read_bytes())
    return [tuple(change[name] for name in COLUMNS) for change in changes]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("shop", SHOPS)
def test_a_replay_of_a_real_shop_tells_exactly_what_the_oracle_tells(
    shop: str,
    variant: str,
    share: tuple[int, int],
    oracles: dict[tuple[str, str], Future[Told]],
) -> None:
    rules = loads(VARIANTS[variant])
    history = read_history([DATA / shop / "events.csv.gz"], rules)
    changes, _ = replay(history.facts, rules)
    told = [
        (c.customer_id, c.system, c.from_, c.to, c.at, c.cause, c.sequence)
        for c in changes
        if is_in(c.customer_id, *share)
    ]
    expected = oracles[shop, variant].result()
    assert len(expected) > 20_000 // share[1]
    for ours, theirs in zip(told, expected, strict=False):
        assert ours == theirs
    assert len(told) == len(expected)
