"""Hold clients of a broker back by its own quotas.

Responsible for setting and lifting a byte rate for the worker's producers, which are named after
their transactional ids.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from kafka.protocol.admin.client_quotas import AlterClientQuotasRequest

from tests.streams.workbench import APP

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.streams.workbench import Workbench


@contextmanager
def throttled(bench: Workbench, bytes_per_second: float) -> Iterator[None]:
    """Let each partition's producer write so many bytes a second, for the length of a block."""
    _alter(bench, bytes_per_second)
    try:
        yield
    finally:
        _alter(bench, None)


def _alter(bench: Workbench, rate: float | None) -> None:
    request = AlterClientQuotasRequest
    entries = [
        request.EntryData(
            entity=[request.EntryData.EntityData("client-id", f"{APP}-{number}")],
            ops=[request.EntryData.OpData("producer_byte_rate", rate or 0.0, rate is None)],
        )
        for number in range(bench.partitions)
    ]
    with bench.admin() as admin:
        # kafka-python has the message, and no method for it.
        answer: Any = admin._manager.run(
            admin._send_request_to_controller, request(entries=entries, validate_only=False)
        )
    assert all(not entry.error_code for entry in answer.entries), answer
