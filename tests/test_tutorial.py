"""The tutorial's commands and files, in the order of the page, do what the page says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from segmenters.kernel import cache_folder
from streams.local import down
from streams.local.endpoints import free_port

PAGE = Path(__file__).parents[1] / "docs" / "tutorial.md"
BLOCKS = re.findall(
    r"^```(\w*)\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
)
SCRIPT = "\n".join(text for kind, text in BLOCKS if kind == "sh")
FILES = {
    text.splitlines()[0].removeprefix("# "): text for k, text in BLOCKS if k in {"toml", "python"}
}
PRINTED = [text for kind, text in BLOCKS if not kind]
WITHIN_S = 560


@pytest.mark.server
@pytest.mark.timeout(WITHIN_S + 40)
def test_a_newcomer_sees_a_customer_fall_silent(tmp_path: Path) -> None:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    environ = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "REWAKE_CACHE_DIR": str(cache_folder().parent),
        "REWAKE_METRICS": f"127.0.0.1:{free_port()}",  # others may run on this machine
    }
    # Bounded by the shell, which takes what it has started along.
    command = ["timeout", str(WITHIN_S), "bash", "-euo", "pipefail", "-c", SCRIPT]
    try:
        done = subprocess.run(
            command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False
        )
    finally:
        down(tmp_path / "servers")
    logs = "".join(log.read_text() for log in tmp_path.glob("*.log"))
    assert done.returncode == 0, done.stdout + done.stderr + logs
    assert len(PRINTED) == 1
    _, found, why = done.stdout.partition(PRINTED[0])
    assert found
    assert "silent" in why
