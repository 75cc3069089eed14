"""The dashboard as a file: what Grafana needs, and queries on metrics that exist."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from typing import Any

import pytest
import yaml

from tests.ops.queries import OPS, catalogue, charts, dashboard, queries, selectors

TITLES = [panel["title"] for panel in charts()]
UNITS = {"short", "s", "bytes", "percentunit", "cps", "reqps"}


def test_it_is_a_dashboard_of_a_schema_that_grafana_10_and_later_read() -> None:
    board = dashboard()
    assert (board["title"], board["uid"], board["schemaVersion"]) == ("Rewake", "rewake", 39)
    assert "id" not in board  # Grafana gives one
    assert [v["name"] for v in board["templating"]["list"]] == ["datasource", "system"]
    assert (
        board["templating"]["list"][0] | {"type": "datasource", "query": "prometheus"}
        == (board["templating"]["list"][0])
    )


def test_panels_have_ids_of_their_own_and_lie_beside_each_other_within_the_grid() -> None:
    panels = dashboard()["panels"]
    assert max(Counter(panel["id"] for panel in panels).values()) == 1
    assert max(Counter(TITLES).values()) == 1
    for panel in panels:
        at = panel["gridPos"]
        assert 0 <= at["x"] < at["x"] + at["w"] <= 24
    for one, other in combinations([panel["gridPos"] for panel in panels], 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or below, (one, other)


def test_the_rows_follow_a_change_on_its_way() -> None:
    rows = [panel["title"] for panel in dashboard()["panels"] if panel["type"] == "row"]
    assert [row.split(":")[0] for row in rows] == [
        "Flow", "Time", "State", "Cache", "Serve", "Webhook",
    ]  # fmt: skip


@pytest.mark.parametrize("panel", charts(), ids=TITLES)
def test_every_panel_says_what_it_shows_in_what_unit_from_the_chosen_prometheus(
    panel: dict[str, Any],
) -> None:
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    assert panel["datasource"] == chosen
    assert panel["targets"]
    for target in panel["targets"]:
        assert target["datasource"] == chosen
        assert target["legendFormat"]
    ids = [target["refId"] for target in panel["targets"]]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(("title", "query"), list(queries()))
def test_every_query_asks_for_metrics_that_exist_of_a_job(title: str, query: str) -> None:
    asked = selectors(query)
    assert asked, title
    for selector in asked:
        assert selector.metric in catalogue()
        assert 'job="rewake-' in selector.matchers or 'job=~"rewake-' in selector.matchers


def test_what_grafana_is_given_at_its_start_is_what_the_dashboard_asks_for() -> None:
    given = OPS / "grafana" / "provisioning"
    (source,) = yaml.safe_load((given / "datasources" / "rewake.yml").read_text())["datasources"]
    assert (source["type"], source["isDefault"]) == ("prometheus", True)
    (provider,) = yaml.safe_load((given / "dashboards" / "rewake.yml").read_text())["providers"]
    assert provider["options"]["path"] == "/var/lib/grafana/dashboards"
