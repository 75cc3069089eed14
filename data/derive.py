"""Make the committed extracts from the originals, and say what came out.

Responsible for `online_retail/events.csv.gz` and `complete_journey/events.csv.gz`: the same rows in
the same order as in the originals, amounts and instants untouched. It must not decide what a row
means to a customer; rows that no engine can take (guests, adjustments) stay in.

Run it again and the files are the same, byte by byte::

    python data/derive.py ORIGINALS      # a folder with online_retail/ and complete_journey/
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

HERE = Path(__file__).resolve().parent


def derive_online_retail(original: Path) -> bytes:
    """Return the original as it is: one row per invoice, `detail` is the country."""
    return original.read_bytes()


def derive_complete_journey(original: Path) -> bytes:
    """Split the `detail` of engagements into kind and campaign; leave out that of baskets.

    Detail and ref read ``campaign_received;Type C`` with ``campaign-24-1238`` (campaign 24,
    household 1238), or ``coupon_redeemed;campaign=26`` with ``redeem-1029-26-51380041013-0``.
    """
    names = ("customer_id", "ts", "type", "amount", "ref", "kind", "campaign_id")
    with gzip.open(original, "rt", encoding="utf-8", newline="") as lines:
        return pack(names, _split(csv.DictReader(lines)))


def _split(rows: Iterable[dict[str, str]]) -> Iterator[tuple[str, ...]]:
    for row in rows:
        kind = campaign = ""
        if row["type"] == "engagement":
            kind, rest = row["detail"].split(";", 1)
            if kind == "campaign_received":
                campaign = (
                    row["ref"].removeprefix("campaign-").removesuffix(f"-{row['customer_id']}")
                )
            else:
                campaign = rest.removeprefix("campaign=")
        amount = "" if kind else row["amount"]
        yield row["customer_id"], row["ts"], row["type"], amount, row["ref"], kind, campaign


def pack(names: Iterable[str], rows: Iterable[Iterable[str]]) -> bytes:
    """Write CSV, gzipped without time and name, so that equal rows give equal bytes."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(rows)
    return gzip.compress(text.getvalue().encode(), compresslevel=9, mtime=0)


def main() -> None:
    """Derive both files and print their checksums."""
    if len(sys.argv) != 2:
        sys.exit("usage: python data/derive.py ORIGINALS; expected the folder with the originals")
    originals = Path(sys.argv[1])
    makers = {
        "online_retail": derive_online_retail,
        "complete_journey": derive_complete_journey,
    }
    for name, make in makers.items():
        packed = make(originals / name / "events.csv.gz")
        target = HERE / name / "events.csv.gz"
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(packed)
        rows = gzip.decompress(packed).count(b"\n") - 1
        digest = hashlib.sha256(packed).hexdigest()
        print(f"{digest}  {name}/events.csv.gz  {len(packed)} bytes, {rows} rows")  # noqa: T201


if __name__ == "__main__":
    main()
