"""The committed data: what it says of itself is so."""

from __future__ import annotations

import csv
import gzip
import hashlib
import importlib.util
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from types import ModuleType

DATA = Path(__file__).resolve().parents[1] / "data"
SHOPS = ("online_retail", "complete_journey")


@pytest.fixture
def derive() -> ModuleType:
    spec = importlib.util.spec_from_file_location("derive", DATA / "derive.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("shop", SHOPS)
def test_each_file_is_the_one_the_readme_names(shop: str) -> None:
    readme = (DATA / "README.md").read_text(encoding="utf-8")
    row = next(line for line in readme.splitlines() if line.startswith(f"| `{shop}/events.csv.gz`"))
    packed = (DATA / shop / "events.csv.gz").read_bytes()
    assert hashlib.sha256(packed).hexdigest() in row


@pytest.mark.parametrize(
    ("shop", "rows"), [("online_retail", 25_900), ("complete_journey", 164_539)]
)
def test_each_file_has_the_rows_and_columns_a_replay_needs(shop: str, rows: int) -> None:
    with gzip.open(DATA / shop / "events.csv.gz", "rt", encoding="utf-8") as lines:
        found = list(csv.DictReader(lines))
    assert len(found) == rows
    assert {"customer_id", "ts", "type", "amount", "ref"} <= found[0].keys()
    assert f"{rows:,} rows" in (DATA / "README.md").read_text(encoding="utf-8")
    assert not any(re.search(r"[A-Za-z]", row["customer_id"]) for row in found)


def test_engagements_name_their_kind_and_campaign(derive: ModuleType, tmp_path: Path) -> None:
    original = tmp_path / "events.csv.gz"
    original.write_bytes(
        gzip.compress(
            b"customer_id,ts,type,amount,ref,detail\n"
            b"1238,2016-11-14T00:00:00Z,engagement,0,campaign-24-1238,campaign_received;Type C\n"
            b"29,2017-01-01T00:00:00Z,engagement,0,redeem-29-26-5138-0,coupon_redeemed;campaign=26\n"
            b"900,2017-01-01T11:53:26Z,purchase,0.5,31198570044,discount=0.00;coupon=0.00\n"
        )
    )
    packed = derive.derive_complete_journey(original)
    assert gzip.decompress(packed).decode().splitlines() == [
        "customer_id,ts,type,amount,ref,kind,campaign_id",
        "1238,2016-11-14T00:00:00Z,engagement,,campaign-24-1238,campaign_received,24",
        "29,2017-01-01T00:00:00Z,engagement,,redeem-29-26-5138-0,coupon_redeemed,26",
        "900,2017-01-01T11:53:26Z,purchase,0.5,31198570044,,",
    ]
    assert derive.derive_complete_journey(original) == packed
    assert derive.derive_online_retail(original) == original.read_bytes()
