"""Offer `rewake lookup`: one customer's segments, and as of when they are right."""

from __future__ import annotations

import time
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streams.cli.output import AsJson, print_json, say

if TYPE_CHECKING:
    from streams.reader import Answer
    from streams.settings import Settings


class Language(StrEnum):
    """In which language a person reads."""

    ZH = "zh"
    EN = "en"


_Id = Annotated[str, typer.Argument(help="The customer's id.", metavar="ID")]
_Explain = Annotated[
    bool, typer.Option("--explain", help="Say why, and what would change it; asks the worker.")
]
_Lang = Annotated[Language, typer.Option("--lang", help="The language of an explanation.")]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("lookup")(_lookup)


def _lookup(
    customer: _Id,
    *,
    explain: _Explain = False,
    language: _Lang = Language.EN,
    as_json: AsJson = False,
) -> None:
    """Say which segments a customer has, since when, and as of when that is right.

    Exit code 1 for a customer nobody has told of. Where REWAKE_CLOCK=event the answer is that of a
    replay of history: right as of the replay's clock, and never called stale for being of the past.
    """
    from segmenters.rules import load
    from streams.reader import lookup
    from streams.settings import load_settings
    from streams.wording import answer_in_words

    settings = load_settings()
    now = time.time_ns() // 1_000_000
    answer = lookup(settings, customer, now)
    if explain and answer.profile is not None and answer.partition is not None:
        _explain(settings, answer, answer.partition, language, as_json=as_json)
        return
    if as_json:
        print_json(as_object(answer))
    else:
        for line in answer_in_words(answer, load(settings.rules), now):
            (typer.echo if answer.profile else say)(line)
    if answer.profile is None:
        raise typer.Exit(1)


def _explain(
    settings: Settings, answer: Answer, partition: int, language: Language, *, as_json: bool
) -> None:
    from msgspec import to_builtins

    from segmenters.phrases import in_words
    from streams.owners import ask

    explanation = ask(settings, answer.customer_id, partition)
    if as_json:
        print_json(as_object(answer) | {"explanation": to_builtins(explanation)})
        return
    for line in in_words(explanation, language.value):
        typer.echo(line)


def as_object(answer: Answer) -> dict[str, Any]:
    """Turn an answer into what ``--json`` prints; instants are epoch milliseconds."""
    profile = answer.profile
    found: dict[str, Any] = {"customer_id": answer.customer_id, "known": profile is not None}
    if profile is not None:
        found["segments"] = {
            system: {"segment": standing.segment, "since": standing.since}
            for system, standing in profile.systems.items()
        }
        found["sequence"] = profile.sequence
        found["valid_until"] = profile.valid_until
        found["next"] = profile.next
        found["overdue"] = dict(answer.overdue)
    found["as_of"] = answer.as_of
    found["stale"] = answer.stale
    found["clock"] = "live" if answer.until is None else "event"
    return found
