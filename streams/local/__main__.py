"""Build the embedded Kafka ahead of its first start: ``python -m streams.local``.

With ``list`` behind it: list anew what it is built of.
"""

from __future__ import annotations

import sys

from schemas.errors import RewakeError
from streams.local.jars import ensure_jars, write_list


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - progress of a script


if __name__ == "__main__":
    try:
        if sys.argv[1:] == ["list"]:
            write_list()
        else:
            ensure_jars(_say)
    except RewakeError as error:
        sys.exit(f"rewake: {error}")
