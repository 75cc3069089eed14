"""The demo's live page while a history is fed: its numbers grow, and the end is that of any replay.

The run is a real one: servers, worker, service, a real shop's data.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx
import pytest

from tests.demos import REWAKE, processes_of

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.server, pytest.mark.timeout(900)]

BEGIN, END = 1_291_190_000_000, 1_323_435_000_000
_PAGE = re.compile(r"LIVE PAGE: (http://[0-9.:]+/)")


class Sight(NamedTuple):
    """What the page's service said once."""

    as_of: int | None
    stale: bool
    customers: int


def sight(client: httpx.Client, address: str) -> Sight | None:
    try:
        answer = client.get(f"{address}v1/segments")
    except httpx.HTTPError:
        return None  # the demo is over
    if not answer.is_success:
        return None
    said: dict[str, Any] = answer.json()
    customers = sum(each["customers"] for each in said["systems"]["lifecycle"])
    return Sight(said["as_of"], said["stale"], customers)


def test_a_fed_history_is_alive_on_the_page_and_ends_as_one_that_lay_there(tmp_path: Path) -> None:
    folder, heard = tmp_path / "demo", tmp_path / "said"
    with (
        heard.open("w") as wrong,
        httpx.Client(timeout=30, trust_env=False) as client,
        subprocess.Popen(
            [REWAKE, "demo", "--once", "--json", "--speed", "10d/s", "--dir", folder],
            stdout=subprocess.PIPE, stderr=wrong, text=True, cwd=tmp_path,
        ) as demo,
    ):  # fmt: skip
        try:
            bound = time.monotonic() + 400
            while not (found := _PAGE.search(heard.read_text())):
                assert demo.poll() is None, heard.read_text()
                assert time.monotonic() < bound, heard.read_text()
                time.sleep(0.1)
            page = client.get(found[1])
            assert "<title>Rewake</title>" in page.text
            sights = []
            while demo.poll() is None:
                sights.append(sight(client, found[1]))
                time.sleep(0.2)
            said, _ = demo.communicate()
        finally:
            demo.kill()
    assert demo.returncode == 0, heard.read_text()
    ended = json.loads(said)
    # What test_demo finds where all of it lay there: no change more, fewer or otherwise.
    assert (ended["changes"], ended["customers"]) == (80_226, 4_339)
    assert (ended["missing"], ended["repeated"]) == (0, 0)
    assert ended["rejected"] == {"missing_customer": 3_707, "unknown_type": 3}
    assert ended["events"] == 25_900
    alive = [each for each in sights if each is not None and each.as_of is not None]
    meanwhile = {each.as_of for each in alive if BEGIN <= (each.as_of or 0) < END}
    # A busy machine gets few looks even into the half minute that a year takes.
    assert len(meanwhile) >= 2, "time passes on the page"
    assert len({each.customers for each in alive}) >= 2, "and customers come"
    assert not any(each.stale for each in alive), "a clock of the past is no stale one"
    assert processes_of(folder) == []


def test_a_speed_that_is_none_is_refused(tmp_path: Path) -> None:
    done = subprocess.run(
        [REWAKE, "demo", "--speed", "fast", "--dir", tmp_path / "demo"],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 2
    assert "--speed: expected event time in a second, as in 30d/s" in done.stderr
    assert not (tmp_path / "demo").exists()
