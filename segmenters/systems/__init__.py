"""What is decided about a customer, one system per file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segmenters.systems.aov_tier import AovTier
from segmenters.systems.churn_risk import ChurnRisk
from segmenters.systems.frequency_tier import FrequencyTier
from segmenters.systems.lifecycle import Lifecycle
from segmenters.systems.monetary_tier import MonetaryTier
from segmenters.systems.plugged import Systems
from segmenters.systems.rfm import Rfm
from segmenters.systems.value_tier import ValueTier

if TYPE_CHECKING:
    from segmenters.system import System

OWN: dict[str, type[System]] = {
    s.key: s for s in (Lifecycle, ChurnRisk, FrequencyTier, MonetaryTier, AovTier, Rfm, ValueTier)
}
"""Every system of this distribution, by key."""

SYSTEMS: Systems = Systems(OWN)
"""Every system that rules may enable: these, and those that installed packages declare."""

__all__ = [
    "OWN", "SYSTEMS", "AovTier", "ChurnRisk", "FrequencyTier", "Lifecycle", "MonetaryTier", "Rfm",
    "ValueTier",
]  # fmt: skip
