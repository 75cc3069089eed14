"""Files of a simulated shop, as `rewake replay` reads them, and `rewake simulate`."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import subprocess
import sys
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from schemas.vocabulary import Kind
from segmenters.rules import defaults
from streams.cli import main
from streams.history import read_history
from streams.simulated.defects import WHOLE, Arrivals
from streams.simulated.plan import Plan
from streams.simulated.records import messages
from streams.simulated.rows import COLUMNS, write_rows
from streams.simulated.shop import Shop, open_shop

if TYPE_CHECKING:
    from subprocess import CompletedProcess

REWAKE = Path(sys.executable).with_name("rewake")
PLAN = Plan(customers=300, days=300, seed=8)


def rewake(*words: object, cwd: Path) -> CompletedProcess[str]:
    return subprocess.run(
        [REWAKE, "simulate", *map(str, words)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def with_all_defects(shop: Shop) -> Shop:
    """Break every hundredth record in each way in turn, and repeat every fiftieth."""
    event, repeats, late_by, broken = (column.copy() for column in shop.arrivals)
    broken[7::100] = np.arange(len(broken[7::100]))
    repeats[:] = False
    event[50::50] = event[49:-1:50]
    broken[50::50], broken[49:-1:50] = WHOLE, WHOLE
    repeats[50::50] = True
    return shop._replace(arrivals=Arrivals(event, repeats, late_by, broken))


def rows_of(shop: Shop) -> list[dict[str, str]]:
    sink = io.BytesIO()
    write_rows(shop, sink, as_json=False)
    return list(csv.DictReader(io.StringIO(sink.getvalue().decode())))


def test_a_row_says_what_the_record_says() -> None:
    shop = open_shop(PLAN)
    sound = shop._replace(
        arrivals=shop.arrivals._replace(broken=np.full_like(shop.arrivals.broken, WHOLE))
    )
    sent = [json.loads(message.value) for message in messages(sound)]
    for row, event in zip(rows_of(sound), sent, strict=True):
        assert row["customer_id"] == event["customer_id"]
        assert row["ref"] == event["event_id"]
        assert row["type"] == event.get("type", "engagement")
        assert row["amount"] == event.get("amount", "")
        assert row["order_id"] == event.get("order_id", "")
        assert row["kind"] == event.get("kind", "")


def test_the_profit_of_an_order_is_that_of_its_items_where_all_have_a_cost() -> None:
    shop = open_shop(PLAN)
    orders = {}
    for message in messages(shop):
        if message.kind == Kind.ORDER:
            event = json.loads(message.value)
            orders[event["event_id"]] = event["items"]
    known = unknown = 0
    for row in rows_of(shop):
        if row["type"] != "order":
            assert row["profit"] == ""
            continue
        items = orders[row["ref"]]
        if all("unit_cost" in item for item in items):
            gains = [
                item["qty"] * (Decimal(item["unit_price"]) - Decimal(item.get("discount", 0)))
                - item["qty"] * Decimal(item["unit_cost"])
                for item in items
            ]
            assert Decimal(row["profit"]) == sum(gains)
            known += 1
        else:
            assert row["profit"] == ""
            unknown += 1
    assert known > unknown > 0


@pytest.mark.parametrize("name", ["h.csv", "h.jsonl"])
def test_replay_takes_all_rows_but_broken_and_repeated_ones(tmp_path: Path, name: str) -> None:
    shop = with_all_defects(open_shop(PLAN))
    with (tmp_path / name).open("wb") as sink:
        rows, _ = write_rows(shop, sink, as_json=name.endswith(".jsonl"))
    history = read_history([tmp_path / name], defaults())
    skipped = {str(reason): number for reason, number in history.skipped.items()}
    assert set(skipped) == {
        "duplicate", "missing_customer", "invalid_value", "implausible_timestamp", "unknown_type",
    }  # fmt: skip
    assert skipped["duplicate"] == shop.arrivals.repeats.sum()
    assert len(history.facts) + sum(skipped.values()) == rows
    whole = shop.arrivals.event[(shop.arrivals.broken == WHOLE) & ~shop.arrivals.repeats]
    assert {fact.ref for fact in history.facts} == {f"e-{number:09}" for number in whole.tolist()}


def test_both_forms_hold_the_same_cells() -> None:
    sink = io.BytesIO()
    write_rows(open_shop(PLAN), sink, as_json=True)
    objects = [json.loads(line) for line in sink.getvalue().splitlines()]
    full = [{name: cells.get(name, "") for name in COLUMNS} for cells in objects]
    assert full == rows_of(open_shop(PLAN))


# ---- the command


def test_a_file_is_written_and_its_seed_checksum_and_shares_are_told(tmp_path: Path) -> None:
    words = ("--customers", 400, "--days", 200, "--seed", 9, "--json")
    done = rewake(*words, "--out", "h.csv.gz", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    text = gzip.decompress((tmp_path / "h.csv.gz").read_bytes())
    assert told["checksum"] == hashlib.blake2b(text, digest_size=8).hexdigest()
    rows = list(csv.DictReader(io.StringIO(text.decode())))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == told["rows"] <= told["records"]
    assert told["seed"] == 9
    assert sum(told["customers"].values()) == 400
    assert sum(told["events"].values()) == told["records"] - told["duplicates"]
    types = Counter(row["type"] for row in rows)
    assert types["order"] == pytest.approx(told["events"]["order"], abs=5)
    assert told["shares"]["late"] == pytest.approx(0.01, rel=0.3)
    again = json.loads(rewake(*words, "--out", "i.csv", cwd=tmp_path).stdout)
    assert again["checksum"] == told["checksum"]
    words = ("--customers", 400, "--days", 200, "--seed", 10, "--json")
    other = json.loads(rewake(*words, "--out", "j.csv", cwd=tmp_path).stdout)
    assert other["checksum"] != told["checksum"]


def test_the_summary_is_readable_and_the_history_may_go_to_standard_output(tmp_path: Path) -> None:
    done = rewake("--customers", 50, "--days", 60, "--out", "-", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(",".join(COLUMNS) + "\nc-00000")
    assert done.stderr.startswith("seed 1, checksum ")
    assert "50 customers: 15 regular, 11 one-off, " in done.stderr
    assert " order, " in done.stderr
    assert " late (" in done.stderr


def test_shares_of_kinds_begin_and_currency_can_be_chosen(tmp_path: Path) -> None:
    shares = [f"--share={kind}=0" for kind in ("one-off", "seasonal", "lapsing", "returning")]
    done = rewake(
        "--customers", 40, "--days", 60, "--begin", "2019-05-01", "--currency", "JPY", *shares,
        "--share", "browsing=30", "--out", "h.jsonl", "--json", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["customers"] == {
        "regular": 20, "one-off": 0, "seasonal": 0, "lapsing": 0, "returning": 0, "browsing": 20,
    }  # fmt: skip
    assert (told["begin"], told["currency"]) == ("2019-05-01", "JPY")
    rows = [json.loads(line) for line in (tmp_path / "h.jsonl").read_text().splitlines()]
    assert {row["ts"][:7] for row in rows} == {"2019-05", "2019-06"}
    assert all("." not in row["amount"] for row in rows if "amount" in row)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--out", "h.parquet"), "--out: expected a name ending in .csv or .jsonl, or .gz"),
        (("--out", "no/where.csv"), "--out: expected a file that can be written"),
        (("--out", "h.csv", "--share", "loyal=1"), "--share: expected KIND=WEIGHT"),
        (("--out", "h.csv", "--share", "regular"), "--share: expected KIND=WEIGHT"),
        (("--out", "h.csv", "--customers", "0"), "customers: expected 1 to 10,000,000, got 0"),
        (("--out", "h.csv", "--begin", "1970-01-01"), "begin: expected a day from 1991-01-01"),
        (("--out", "h.csv", "--currency", "quid"), "currency: expected an ISO 4217 code"),
    ],
)
def test_a_wrong_call_is_refused_and_leaves_no_file(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["simulate", *words]) == 2
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
