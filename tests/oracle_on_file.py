"""Run the oracle over a file of history with a rules file, as a process of its own.

Responsible for handing both to the oracle: ``python -m tests.oracle_on_file RULES FILE OUT`` writes
the changes as a JSON array; ``… OUT 1 4`` those of the second of four shares of the customers.
"""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path
from zlib import crc32

from tests.oracle import run
from tests.oracle_replay import QUALIFYING, read_replay_csv


def is_in(customer: str, share: int, shares: int) -> bool:
    """Tell whether a customer belongs to one of so many shares, counted from 0."""
    return crc32(customer.encode()) % shares == share


def main(rules_file: Path, events: Path, out: Path, share: int = 0, shares: int = 1) -> None:
    """Read, run, write."""
    rules = tomllib.loads(rules_file.read_text(encoding="utf-8"))
    engine = rules["engine"]
    qualifying = frozenset(engine.get("qualifying_engagements", QUALIFYING))
    facts, _ = read_replay_csv(events, qualifying=qualifying)
    end = max((fact.ts for fact in facts), default=0)  # time ends for all with the last fact of any
    facts = [fact for fact in facts if is_in(fact.customer, share, shares)]
    changes = run(facts, rules["systems"], engine.get("business_timezone", "UTC"), end)
    out.write_text(json.dumps(changes), encoding="utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]), *map(int, sys.argv[4:6]))
