"""What a move of the state refuses before it begins; tests/faults walks it on real servers."""

from __future__ import annotations

import pytest

from schemas.errors import UsageError
from streams.repartition import repartition
from streams.settings import load_settings


@pytest.mark.parametrize(
    "target", [{"app": "rewake", "topic_prefix": "eight."}, {"app": "rewake-8", "topic_prefix": ""}]
)
async def test_a_target_has_an_app_and_a_prefix_of_its_own(target: dict[str, str]):
    settings = load_settings(None)
    with pytest.raises(UsageError, match="expected another app and another prefix"):
        await repartition(settings, load_settings(None, partitions=8, **target))


async def test_topics_that_do_not_exist_are_named_and_none_are_made(kafka: str):
    settings = load_settings(None, kafka=kafka, app="nobody", topic_prefix="nowhere.")
    target = load_settings(None, kafka=kafka, app="nobody-8", topic_prefix="nowhere-8.")
    with pytest.raises(UsageError, match=r"found none .* REWAKE_APP and REWAKE_TOPIC_PREFIX"):
        await repartition(settings, target)
