"""Name the oracle where tests look for it; it lives in `segmenters.oracle`, which is shipped."""

from segmenters.oracle.customer import (
    Change,
    Customer,
    Fact,
    Rules,
    follow,
    in_output_order,
    profiles,
    run,
    step,
)
from tests.oracle_replay import read_replay_csv

__all__ = [
    "Change", "Customer", "Fact", "Rules", "follow", "in_output_order", "profiles",
    "read_replay_csv", "run", "step",
]  # fmt: skip
