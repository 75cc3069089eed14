"""Faust, mode and aiokafka still are what the delivery path was written against."""

from __future__ import annotations

import inspect

import pytest
from aiokafka.consumer.fetcher import Fetcher
from faust import App
from faust.tables.table import Table
from faust.topics import Topic
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport
from mode.utils.queues import FlowControlEvent

from streams.delivery import contract
from streams.delivery.consumer import LaneConsumer
from streams.delivery.faust_app import LaneApp
from streams.delivery.fetch import LeanFetcher
from streams.delivery.flow import KeepingFlow
from streams.delivery.thread import EpochThread
from streams.delivery.topic import ChunkTopic
from streams.delivery.transport import LaneTransport
from streams.table import LedgerTable

PAIRS = [
    (LaneApp, App),
    (LaneConsumer, Consumer),
    (EpochThread, AIOKafkaConsumerThread),
    (LeanFetcher, Fetcher),
    (KeepingFlow, FlowControlEvent),
    (ChunkTopic, Topic),
    (LaneTransport, Transport),
    (LedgerTable, Table),
]
PLAIN = {"__init__", "__module__", "__doc__", "__annotations__", "__slots__", "__firstlineno__"}


@pytest.mark.parametrize("name", sorted(contract.RELIED_ON))
def test_what_is_relied_on_has_not_changed(name: str):
    assert contract.digest(name) == contract.RELIED_ON[name], (
        f"{name} is not the one this was written against: read why it is overridden or used, then "
        "put the new digest into streams/delivery/contract.py"
    )


def overridden() -> list[tuple[str, str]]:
    """List every attribute of ours that hides one of theirs, under its qualified name there."""
    found = []
    for ours, theirs in PAIRS:
        for name, value in vars(ours).items():
            if name in PLAIN or not hasattr(theirs, name) or not callable(value):
                continue
            owner = next(base for base in theirs.__mro__ if name in vars(base))
            found.append((f"{ours.__name__}.{name}", f"{owner.__module__}:{owner.__qualname__}"))
    return found


@pytest.mark.parametrize(("ours", "owner"), overridden())
def test_every_override_is_in_the_table(ours: str, owner: str):
    name = f"{owner}.{ours.partition('.')[2]}"
    assert {name, owner} & set(contract.RELIED_ON), name


def test_there_are_overrides_to_check():
    assert len(overridden()) > 20


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
def test_an_override_takes_what_the_original_takes(ours: type, theirs: type):
    for name, value in vars(ours).items():
        original = getattr(theirs, name, None)
        if name in PLAIN or not inspect.isfunction(value) or not inspect.isfunction(original):
            continue
        assert inspect.iscoroutinefunction(value) == inspect.iscoroutinefunction(original), name
        needed = len(inspect.signature(original).parameters)
        variadic = any(
            p.kind is p.VAR_POSITIONAL for p in inspect.signature(value).parameters.values()
        )
        assert variadic or len(inspect.signature(value).parameters) == needed, name
