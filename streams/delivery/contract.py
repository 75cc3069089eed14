"""List what this package relies on inside Faust, mode and aiokafka.

Responsible for one table: every method that is overridden, replaced or called below its public
face, with a digest of its source. A contract test compares it, so that an upgrade says which of our
reasons have to be read again. Must not be imported by the worker.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
from typing import Any, Final

RELIED_ON: Final[dict[str, str]] = {
    "aiokafka.client:AIOKafkaClient._metadata_update": "06dc51ed3e0d38b8",
    "aiokafka.client:AIOKafkaClient.coordinator_lookup": "19cc69fb75f8d667",
    "aiokafka.consumer.consumer:AIOKafkaConsumer.start": "2f1ba70443327538",
    "aiokafka.consumer.fetcher:FetchError": "10966ad4c7954483",
    "aiokafka.consumer.fetcher:FetchResult": "d7db13f06de8248c",
    "aiokafka.consumer.fetcher:Fetcher.__init__": "bf21ecb7e0f210b7",
    "aiokafka.consumer.fetcher:Fetcher._create_fetch_waiter": "61d840568746477e",
    "aiokafka.consumer.fetcher:Fetcher._fetch_requests_routine": "2a8ec5932644c9b0",
    "aiokafka.consumer.fetcher:Fetcher._get_actions_per_node": "1dab2cf937d165d0",
    "aiokafka.consumer.fetcher:Fetcher._proc_fetch_request": "59bf948fff47eed5",
    "aiokafka.consumer.fetcher:Fetcher.fetched_records": "be4348896b9b66af",
    "aiokafka.consumer.fetcher:Fetcher.seek_to": "f0ba6aba6c22ef83",
    "aiokafka.consumer.fetcher:PartitionRecords._consume_aborted_up_to": "56876530cd6412f3",
    "aiokafka.consumer.fetcher:PartitionRecords._contains_abort_marker": "17e9ad2322ef4e0a",
    "aiokafka.consumer.fetcher:PartitionRecords._unpack_records": "b803e6d46480732c",
    "aiokafka.consumer.subscription_state:SubscriptionState.fetch_context": "ff2a654dca239cfe",
    "aiokafka.consumer.subscription_state:TopicPartitionState": "2b83334afadf6d98",
    "aiokafka.producer.message_accumulator:BatchBuilder": "8050802ca7514186",
    "aiokafka.producer.message_accumulator:MessageAccumulator.add_batch": "5ed1c5b1367ad854",
    "aiokafka.producer.producer:AIOKafkaProducer.begin_transaction": "f5128199fc271ddc",
    "aiokafka.producer.producer:AIOKafkaProducer.commit_transaction": "c7f9677c89413f97",
    "aiokafka.producer.producer:AIOKafkaProducer.send_batch": "bf42b0f0c5c0646d",
    "aiokafka.producer.producer:AIOKafkaProducer.start": "bae900a5e83a6d97",
    "aiokafka.producer.producer:AIOKafkaProducer.stop": "43ef97147111893b",
    "aiokafka.producer.sender:AddPartitionsToTxnHandler.handle_response": "67266db24da2dfaf",
    "aiokafka.producer.sender:Sender._do_txn_commit": "8263eaebb7c30ea1",
    "aiokafka.producer.sender:Sender._find_coordinator": "33001a36bf6a0ae0",
    "faust.app.base:App._create_directories": "a9f571c3b04abec3",
    "faust.app.base:App._new_transport": "42db531312dd776f",
    "faust.app.base:App._on_partitions_assigned": "de932b7927db85b3",
    "faust.app.base:App._on_partitions_revoked": "d5c895bbe57dc73a",
    "faust.app.base:App._stop_consumer": "55854a5de12c3f52",
    "faust.app.base:App.on_start": "480d70c6c72d042d",
    "faust.app.base:App.on_stop": "bfe5a933defb2324",
    "faust.tables.base:Collection._new_changelog_topic": "77bea64b59f79809",
    "faust.tables.base:Collection.apply_changelog_batch": "b980a78d3ae9b1e8",
    "faust.tables.base:Collection.on_rebalance": "0812ad692171a8fd",
    "faust.tables.base:Collection.on_recovery_completed": "b1526fb39ea0e77e",
    "faust.tables.base:Collection.persisted_offset": "d473d3ab3fd6f036",
    "faust.tables.manager:TableManager.changelog_queue": "9c7f4cac57ef1706",
    "faust.tables.recovery:Recovery._build_highwaters": "91b4cc0d3724ae7b",
    "faust.tables.recovery:Recovery._build_offsets": "27eec86be06cb51f",
    "faust.tables.recovery:Recovery._restart_recovery": "6bd8a8558a2dffe4",
    "faust.tables.recovery:Recovery._seek_offsets": "19598ca63d94d250",
    "faust.tables.recovery:Recovery._slurp_changelogs": "7825c7e50f766d5a",
    "faust.tables.recovery:Recovery.on_rebalance": "aa4d997a1795ceae",
    "faust.tables.recovery:Recovery.on_recovery_completed": "6ef567acf072e46d",
    "faust.tables.recovery:Recovery.revoke": "779302ebfab0b2db",
    "faust.topics:Topic._compile_decode": "6474178f8c211c05",
    "faust.transport.conductor:ConductorCompiler.build": "837cf521368c1ee4",
    "faust.transport.consumer:Consumer._add_gap": "4df2573ded7c1c2c",
    "faust.transport.consumer:Consumer._commit_tps": "a20e230b05ae8b15",
    "faust.transport.consumer:Consumer._drain_messages": "44a2500309e83c63",
    "faust.transport.consumer:Consumer._filter_tps_with_pending_acks": "f6f9239774234e7e",
    "faust.transport.consumer:Consumer._new_offset": "1d2c7ea89a7ad4f1",
    "faust.transport.consumer:Consumer._should_commit": "5ce941793947ad42",
    "faust.transport.consumer:Consumer._wait_next_records": "6218e1969a636b3f",
    "faust.transport.consumer:Consumer.getmany": "4b168d84882a70d6",
    "faust.transport.consumer:Consumer.maybe_wait_for_commit_to_finish": "d687f63a0b5ef0c5",
    "faust.transport.consumer:Consumer.on_buffer_drop": "4b57e8a418d5ad9c",
    "faust.transport.consumer:Consumer.on_buffer_full": "c8961679e0bcdce5",
    "faust.transport.consumer:Consumer.on_partitions_assigned": "29ce96596f05a18c",
    "faust.transport.consumer:Consumer.on_partitions_revoked": "d04b7ae72c6fc206",
    "faust.transport.consumer:Consumer.pause_partitions": "27a1c94bdacd54de",
    "faust.transport.consumer:Consumer.perform_seek": "0e8c130ff4b0afd8",
    "faust.transport.consumer:Consumer.resume_partitions": "afe6b7c02a41d63c",
    "faust.transport.consumer:ThreadDelegateConsumer._new_consumer_thread": "79e9c029a91a2cb2",
    "faust.transport.drivers.aiokafka:AIOKafkaConsumerThread.__post_init__": "913dc7c0d9578e2d",
    "faust.transport.drivers.aiokafka:AIOKafkaConsumerThread._commit": "932852ce7a23f658",
    "faust.transport.drivers.aiokafka:AIOKafkaConsumerThread._create_consumer": "a4dc6ba0681a298c",
    "faust.transport.drivers.aiokafka:AIOKafkaConsumerThread._create_worker_consumer": (
        "c2701bfc3e6f6cad"
    ),
    "faust.transport.drivers.aiokafka:AIOKafkaConsumerThread._fetch_records": "39a2c6c79fc1455a",
    "faust.transport.drivers.aiokafka:AIOKafkaConsumerThread._highwaters": "a7f4f97d9f32aca2",
    "faust.transport.drivers.aiokafka:AIOKafkaConsumerThread._seek_wait": "9d221e816d940467",
    "faust.transport.drivers.aiokafka:AIOKafkaConsumerThread.on_start": "38b4e8bd1e10723a",
    "faust.transport.drivers.aiokafka:Consumer._new_consumer_thread": "0870ec53dea75083",
    "faust.transport.drivers.aiokafka:Consumer._to_message": "7c24f6511b2fcef7",
    "faust.transport.drivers.aiokafka:Transport": "966a67907f33524d",
    "faust.transport.utils:DefaultSchedulingStrategy.iterate": "aa1147fa5c2101b8",
    "mode.services:Service.crash": "14980000465df0af",
    "mode.threads:QueueServiceThread.call_thread": "479edda75b54734b",
    "mode.utils.queues:FlowControlEvent": "1da8f905ab655e39",
    "mode.utils.queues:FlowControlQueue": "15f15a87fd6de428",
}
"""Qualified name → first 16 digits of the SHA-256 of its source."""


def current() -> dict[str, str]:
    """Digest the sources as they are installed."""
    return {name: digest(name) for name in RELIED_ON}


def digest(name: str) -> str:
    """Digest the source of one function or class by its qualified name.

    Raises
    ------
    AttributeError
        When it does not exist any more.
    """
    source = inspect.getsource(_find(name))
    return hashlib.sha256(source.encode()).hexdigest()[:16]


def _find(name: str) -> Any:
    module, _, path = name.partition(":")
    found: Any = importlib.import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    # Properties and mode's tasks carry their function inside.
    return getattr(found, "fget", None) or getattr(found, "fun", None) or found
