"""Sum a demo up, and answer a few lookups from the cache.

Responsible for the last page: as text for people and as one object for programs.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from streams.reader import lookup
from streams.wording import answer_in_words, instant_in_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.vocabulary import Instant
    from segmenters.rules import Rules
    from streams.demo.tally import Tally
    from streams.reader import Answer
    from streams.settings import Settings

_TOP: Final = 12
_TELLING: Final = ("silent", "churned", "reactivated")


class Ending(NamedTuple):
    """What there is to sum up.

    Attributes
    ----------
    shop
        Whose history it was.
    events
        How many were loaded and read.
    until
        The end of the history.
    seconds
        From the first event read to the end.
    tally
        What was heard.
    answers
        Lookups of a few customers.
    """

    shop: str
    events: int
    until: Instant
    seconds: float
    tally: Tally
    answers: Sequence[Answer]


def look_up_some(settings: Settings, tally: Tally) -> list[Answer]:
    """Look up customers who were lost, came back or fell silent last."""
    changes = [tally.last_into[segment] for segment in _TELLING if segment in tally.last_into]
    customers = dict.fromkeys(change.customer_id for change in changes)
    now = time.time_ns() // 1_000_000
    return [lookup(settings, customer, now) for customer in customers]


def as_object(ending: Ending) -> dict[str, Any]:
    """Turn the summary into what ``--json`` prints."""
    tally = ending.tally
    return {
        "data": ending.shop,
        "events": ending.events,
        "rejected": dict(tally.rejected),
        "customers": tally.customers,
        "changes": tally.changes,
        "missing": tally.missing,
        "repeated": tally.repeated,
        "until": ending.until,
        "seconds": round(ending.seconds, 3),
        "events_per_second": round(_rate(ending)),
        "segments": {
            system: {segment: size for segment, size in sizes.items() if size}
            for system, sizes in sorted(tally.sizes.items())
        },
        "moves": [
            {"system": system, "from": from_, "to": to, "changes": count}
            for (system, from_, to), count in _sorted_moves(tally)
        ],
        "lookups": [
            {
                "customer_id": answer.customer_id,
                "as_of": answer.as_of,
                "segments": {
                    system: standing.segment
                    for system, standing in (
                        answer.profile.systems if answer.profile else {}
                    ).items()
                },
            }
            for answer in ending.answers
        ],
    }


def in_words(ending: Ending, rules: Rules) -> list[str]:
    """Say the summary line by line."""
    tally = ending.tally
    rejected = ", ".join(f"{count:,} {reason}" for reason, count in tally.rejected.most_common())
    whole = "each once, none missing"
    if tally.missing or tally.repeated:
        whole = f"{tally.missing} MISSING, {tally.repeated} repeated"
    until, pace = instant_in_words(ending.until), f"{_rate(ending):,.0f} events/s"
    lines = [
        f"{ending.events:,} events up to {until} in {ending.seconds:.1f} s ({pace})",
        f"rejected {tally.rejected.total():,}{rejected and ': '}{rejected}",
        f"{tally.customers:,} customers in segments, {tally.changes:,} changes ({whole})",
        *_moves_in_words(tally),
    ]
    if ending.answers:
        lines += ["", "looked up in Redis:"]
    now = time.time_ns() // 1_000_000
    for answer in ending.answers:
        lines += [f"  {line}" for line in answer_in_words(answer, rules, now)]
    return lines


def _rate(ending: Ending) -> float:
    return ending.events / ending.seconds if ending.seconds > 0 else 0.0


def _moves_in_words(tally: Tally) -> list[str]:
    lines: list[str] = []
    for system in sorted(tally.sizes):
        mine = [item for item in _sorted_moves(tally) if item[0][0] == system]
        lines.append(f"  {system}: {sum(count for _, count in mine):,} changes")
        width = max(len(_arrow(from_, to)) for (_, from_, to), _ in mine)
        lines += [
            f"    {_arrow(from_, to):<{width}}  {count:>7,}"
            for (_, from_, to), count in mine[:_TOP]
        ]
        if len(mine) > _TOP:
            rest = sum(count for _, count in mine[_TOP:])
            lines.append(f"    {f'{len(mine) - _TOP} other ways':<{width}}  {rest:>7,}")
    return lines


def _arrow(from_: str | None, to: str) -> str:
    return f"{from_ or '(first)'} → {to}"


def _sorted_moves(tally: Tally) -> list[tuple[tuple[str, str | None, str], int]]:
    return sorted(
        tally.moves.items(), key=lambda item: (item[0][0], -item[1], item[0][1] or "", item[0][2])
    )
