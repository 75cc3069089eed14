"""The alerts: right by promtool, tried one by one, each with a page for three in the morning."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.ops.queries import (
    ALERTS,
    ALERTS_TEST,
    ROOT,
    RUNBOOKS,
    SCRAPED,
    Selector,
    alerts,
    catalogue,
    selectors,
)  # fmt: skip

if TYPE_CHECKING:
    from pathlib import Path

NAMES = [alert["alert"] for alert in alerts()]
JOBS = {each["job_name"] for each in yaml.safe_load(SCRAPED.read_text("utf-8"))["scrape_configs"]}


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        list(map(str, words)), capture_output=True, text=True, timeout=120, check=False
    )


def test_what_is_scraped_is_a_valid_configuration(promtool: str) -> None:
    done = run(promtool, "check", "config", "--lint=all", "--lint-fatal", SCRAPED)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_fires_for_what_it_is_for_and_for_nothing_less(promtool: str) -> None:
    done = run(promtool, "test", "rules", ALERTS_TEST)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_tests_of_the_alerts_notice_another_threshold(promtool: str, tmp_path: Path) -> None:
    text = ALERTS.read_text(encoding="utf-8")
    assert text.count("> 120\n") == 1
    (tmp_path / ALERTS.name).write_text(text.replace("> 120\n", "> 1200\n"))
    (tmp_path / ALERTS_TEST.name).write_text(ALERTS_TEST.read_text(encoding="utf-8"))
    done = run(promtool, "test", "rules", tmp_path / ALERTS_TEST.name)
    assert done.returncode == 1
    assert "RewakePartitionStalled" in done.stdout + done.stderr


def tried(fires: bool) -> set[str]:
    read: Any = yaml.safe_load(ALERTS_TEST.read_text(encoding="utf-8"))
    return {
        case["alertname"]
        for test in read["tests"]
        for case in test["alert_rule_test"]
        if bool(case["exp_alerts"]) is fires
    }


def test_every_alert_is_tried_firing_and_not_firing() -> None:
    assert tried(fires=True) == tried(fires=False) == set(NAMES)
    assert len(NAMES) == len(set(NAMES))


@pytest.mark.parametrize("alert", alerts(), ids=NAMES)
def test_every_alert_says_how_bad_it_is_and_where_to_read_on(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in {"critical", "warning"}
    said = alert["annotations"]
    assert set(said) == {"summary", "description", "runbook_url"}
    assert said["runbook_url"] == f"docs/runbooks/{alert['alert']}.md"
    assert (ROOT / said["runbook_url"]).exists()
    assert all(len(text) < 200 for text in said.values())


@pytest.mark.parametrize("alert", alerts(), ids=NAMES)
def test_every_alert_asks_for_metrics_that_exist_of_jobs_that_are_scraped(
    alert: dict[str, Any],
) -> None:
    asked = selectors(alert["expr"])
    assert asked
    for selector in asked:
        assert selector.metric in catalogue() | {"up": ""}
        job = re.search(r'job(=~?)"([^"]+)"', selector.matchers)
        assert job is not None, f"{selector} could be anybody's"
        pattern = job[2] if job[1] == "=~" else re.escape(job[2])
        assert any(re.fullmatch(pattern, each) for each in JOBS)


def test_every_runbook_has_an_alert_and_the_same_parts() -> None:
    pages = {path.stem: path.read_text("utf-8") for path in RUNBOOKS.glob("Rewake*.md")}
    assert set(pages) == set(NAMES)
    for name, page in pages.items():
        assert page.startswith(f"# {name}\n")
        parts = re.findall(r"^## (.+)$", page, re.MULTILINE)
        assert parts == ["What it means", "What to look at", "What to do"], name
        assert "```sh\n" in page, f"{name}: no command to look with"
    index = (RUNBOOKS / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\]\((Rewake\w+)\.md\)", index)) == set(NAMES)


def test_a_query_is_read_for_the_series_it_asks_for() -> None:
    query = (
        'sum by (a) (rate(x_total{job="j"}[5m])) / on (b) group_left (c) time() > y '
        "unless z{} offset 30m"
    )
    assert selectors(query) == [
        Selector("x_total", '{job="j"}'), Selector("y"), Selector("z", "{}"),
    ]  # fmt: skip
