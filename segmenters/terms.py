"""Tell by which terms customers are judged, so that other ones are noticed.

Responsible for the terms of a system in words, and for the 32 bits in front of every changelog
value that say under which terms its row was written. It must not judge, nor move rows.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from segmenters.system import damping_of

if TYPE_CHECKING:
    from segmenters.layout import Layout
    from segmenters.rules import Rules


def terms_of(rules: Rules) -> dict[str, str]:
    r"""Return, by system, all that decides about a customer: parameters, segments, windows, memory.

    Plays, labels, rates, margins and what counts as an engagement are no part of it: facts keep
    what they meant when they were applied.

    Examples
    --------
    >>> from segmenters.rules import loads
    >>> one = loads("[systems.lifecycle]\nwake_engagements = 2")  # which is the default
    >>> terms_of(one) == terms_of(loads("[systems.lifecycle]\n[plays]"))
    True
    """
    terms = {}
    for system in rules.systems:
        content = (
            system.segments,
            system.windows,
            system.measures,
            [[str(part) for part in field] for field in system.state],
            system.compiled(rules.currencies),
            damping_of(system),
        )
        terms[system.key] = msgspec.json.encode(content, enc_hook=_plain).decode()
    return terms


def altered(before: Rules, now: Rules) -> frozenset[str]:
    r"""Return the systems of ``now`` that judge by other terms than ``before``.

    New ones do, and so does a system that looks at one which does.

    Examples
    --------
    >>> from segmenters.rules import loads
    >>> before = "[systems.lifecycle]\n[systems.monetary_tier]\n"
    >>> sorted(altered(loads(before), loads(before + "down_ratio = 1\n[systems.rfm]")))
    ['monetary_tier', 'rfm']
    """
    known, wanted = terms_of(before), terms_of(now)
    found: set[str] = set()
    for system in now.systems:  # in evaluation order: what is needed comes first
        if known.get(system.key) != wanted[system.key] or found.intersection(system.needs):
            found.add(system.key)
    return frozenset(found)


def stamp_of(layout: Layout, rules: Rules) -> int:
    """Return the 32 bits that say by which terms, and in which layout, a row was written."""
    text = f"{layout.digest:08x} {sorted(terms_of(rules).items())}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "big")


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(f"expected numbers, got {value!r}")
