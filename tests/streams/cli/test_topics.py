"""`rewake topics` on a real cluster."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from schemas.topics import TOPICS, changelog
from streams.settings import load_settings
from streams.topics_admin import connect, plan

if TYPE_CHECKING:
    from streams.local import LocalServers

    from .conftest import Rewake


def test_the_catalogue_is_listed_without_a_cluster(rewake: Rewake) -> None:
    listed = json.loads(rewake("topics", "list", "--json", REWAKE_APP="shop").stdout)
    names = [topic.name for topic in TOPICS]
    assert [entry["name"] for entry in listed] == [*names, changelog("shop")]
    assert names[0] in rewake("topics", "list").stdout


def test_diff_says_1_until_create_has_made_everything(
    rewake: Rewake, spare_servers: LocalServers
) -> None:
    variables = {"REWAKE_KAFKA": spare_servers.up().kafka, "REWAKE_PARTITIONS": "2"}
    settings = load_settings(None, kafka=spare_servers.up().kafka)
    with connect(settings) as admin:
        names = [wanted.topic.name for wanted in plan(settings)]
        admin.delete_topics(names, raise_errors=False)
        while set(names).intersection(admin.list_topics()):
            time.sleep(0.05)

    before = rewake("topics", "diff", "--json", **variables)
    assert before.returncode == 1
    assert {entry["what"] for entry in json.loads(before.stdout)} == {"missing"}

    made = rewake("topics", "create", "--json", **variables)
    assert made.returncode == 0
    assert len(json.loads(made.stdout)["created"]) == len(TOPICS) + 1

    after = rewake("topics", "diff", "--json", **variables)
    assert (after.returncode, json.loads(after.stdout)) == (0, [])

    wider = rewake("topics", "diff", **{**variables, "REWAKE_PARTITIONS": "3"})
    assert wider.returncode == 1
    assert "commerce.purchases.v1: expected partitions = 3, found 2\n" in wider.stdout


@pytest.mark.server  # not that it needs one: it waits ten seconds for none
def test_a_cluster_that_does_not_answer_is_named(rewake: Rewake) -> None:
    done = rewake("topics", "diff", REWAKE_KAFKA="127.0.0.1:1")
    assert done.returncode == 1
    assert done.stderr.startswith("rewake: expected Kafka at 127.0.0.1:1 to answer")
    assert "REWAKE_KAFKA" in done.stderr
