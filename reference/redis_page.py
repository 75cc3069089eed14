"""Write `docs/reference/redis.md`: every key of the cache, and the fields of a customer's."""

from __future__ import annotations

from typing import Final

from reference.pages import documented, marked, table
from schemas import profiles

_HEAD: Final = """\
# The keys in Redis

Generated from the code by `scripts/reference`. All begin with `rw:`; workers write them, everybody
else reads. Instants are epoch milliseconds. How an answer is judged *stale* is in
[delivery.md](../delivery.md); an application that reads tiers itself compares the `epoch` of a
customer's hash with the last word of `rw:epoch`, and the partition's `rw:clock` with its own clock.
"""


def keys() -> dict[str, str]:
    """Return every key, or beginning of keys, with the name of its constant."""
    return {
        value: name
        for name, value in vars(profiles).items()
        if isinstance(value, str) and value.startswith("rw:")
    }


def write() -> str:
    """Return the text of the page."""
    said = documented(profiles)
    rows = (
        (f"`{key}{'…' if key.endswith(':') else ''}`", said[name]) for key, name in keys().items()
    )
    parts = [_HEAD, *table(("key", "what it holds"), rows), "", "## A customer's hash", ""]
    fields = profiles.to_hash(
        profiles.Profile(
            "c", {"lifecycle": profiles.Standing("active", 1_700_000_000_000)}, 3, 9,
            1_707_776_000_000, {"lifecycle": "silent"},
        )
    ) | {profiles.EPOCH_FIELD: "5f0a"}  # fmt: skip
    parts += table(
        ("field", "for instance", "what it says"),
        ((f"`{name}`", f"`{value}`", _meaning(name)) for name, value in fields.items()),
    )
    return "\n".join(parts) + "\n"


def _meaning(field: str) -> str:
    if field in profiles.FIELDS:
        return marked(profiles.FIELDS[field])
    system, dot, _ = field.partition(".")
    return (
        "since when, epoch ms; so for every system"
        if dot
        else (f"segment in the system `{system}`; so for every system")
    )
