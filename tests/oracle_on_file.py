"""Run the oracle over a file of history with a rules file, as a process of its own.

Responsible for handing both to the oracle: ``python -m tests.oracle_on_file RULES FILE OUT`` writes
the changes as a JSON array.
"""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path

from tests.oracle import run
from tests.oracle_replay import QUALIFYING, read_replay_csv


def main(rules_file: Path, events: Path, out: Path) -> None:
    """Read, run, write."""
    rules = tomllib.loads(rules_file.read_text(encoding="utf-8"))
    engine = rules["engine"]
    qualifying = frozenset(engine.get("qualifying_engagements", QUALIFYING))
    facts, _ = read_replay_csv(events, qualifying=qualifying)
    changes = run(facts, rules["systems"], engine.get("business_timezone", "UTC"))
    out.write_text(json.dumps(changes), encoding="utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
