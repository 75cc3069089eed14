"""`rewake settings`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from streams.settings import MASK, Settings

if TYPE_CHECKING:
    from .conftest import Rewake


def test_every_setting_is_printed_with_its_variable(rewake: Rewake) -> None:
    printed = json.loads(rewake("settings", "--json", REWAKE_GRACE="1500ms").stdout)
    assert list(printed) == [f"REWAKE_{name.upper()}" for name in Settings.model_fields]
    assert printed["REWAKE_GRACE"] == "1500ms"


def test_a_table_in_a_pipe_cuts_nothing_off(rewake: Rewake) -> None:
    long = ",".join(f"broker-{number}.example:9092" for number in range(20))
    done = rewake("settings", REWAKE_KAFKA=long)
    assert long in done.stdout


def test_secrets_are_masked_and_unread_variables_named(rewake: Rewake) -> None:
    redis = "redis://:sesame@cache:6379/0"
    done = rewake("settings", REWAKE_REDIS=redis, REWAKE_GRCE="1s", REWAKE_CACHE_DIR="compiled")
    assert "sesame" not in done.stdout + done.stderr
    assert MASK in done.stdout
    assert done.stderr == "rewake: nothing reads REWAKE_GRCE (did you mean REWAKE_GRACE?)\n"
