"""What the fork server of `tests.forked` has imported and compiled before it forks."""

import gc
from pathlib import Path

import streams.cli
import streams.settings
import streams.worker
from segmenters.rules import load
from segmenters.warming import warm_up
from tests import interpreted

__all__ = ["interpreted", "streams"]

warm_up(load(Path(__file__).parents[1] / "rules" / "default.toml"))
gc.freeze()  # a fork that collects need not copy what was there before
