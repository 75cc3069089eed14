"""Offer `rewake validate`: check a rules file and say what it enables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from schemas.errors import RulesError
from streams.cli.output import AsJson, print_json, say

if TYPE_CHECKING:
    from segmenters.rules import Rules
    from segmenters.system import System

_File = Annotated[Path, typer.Argument(help="The rules file.", metavar="RULES")]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("validate")(_validate)


def _validate(file: _File, *, as_json: AsJson = False) -> None:
    """Check a rules file, and say what it enables; exit code 2 when it cannot be used.

    All mistakes are told at once, each with its path, what is allowed there and what came.
    """
    from segmenters.mistakes import examine

    try:
        rules, mistakes = examine(file)
    except RulesError as error:  # no file, or no TOML
        if not as_json:
            raise
        rules, mistakes = None, [error]
    if rules is None:
        _refuse(file, mistakes, as_json=as_json)
    elif as_json:
        print_json(_describe(rules))
    else:
        _tell(file, rules)


def _refuse(file: Path, mistakes: list[RulesError], *, as_json: bool) -> None:
    if as_json:
        found = [{"path": mistake.path, "error": mistake.detail} for mistake in mistakes]
        print_json({"valid": False, "mistakes": found})
    else:
        number = f"{len(mistakes)} mistakes" if len(mistakes) > 1 else "one mistake"
        say(f"rewake: {file}: {number}")
        for mistake in mistakes:
            say(f"  {mistake}")
    raise typer.Exit(RulesError.exit_code)


def _describe(rules: Rules) -> dict[str, Any]:
    import msgspec

    return {
        "valid": True,
        "rules_version": rules.version,
        "engine": msgspec.to_builtins(rules.engine),
        "systems": [
            {
                "key": system.key,
                "number": system.number,
                "title": system.title._asdict(),
                "segments": {
                    segment: system.labels[segment]._asdict() for segment in system.segments
                },
                "parameters": msgspec.to_builtins(system),
                "changed": sorted(_changed(system)),
            }
            for system in rules.systems
        ],
        "plays": msgspec.to_builtins(rules.plays),
    }


def _tell(file: Path, rules: Rules) -> None:
    engine = rules.engine
    typer.echo(f"{file}: valid, rules version {rules.version}")
    days = f"late facts count for {engine.max_lateness_days} days"
    typer.echo(f"amounts in {engine.base_currency}, days of {engine.business_timezone}, {days}")
    for currency, rate in engine.rates.items():
        typer.echo(f"  1 {currency} = {rate} {engine.base_currency}")
    typer.echo(f"engagements that count: {', '.join(engine.qualifying_engagements) or 'none'}")
    for system in rules.systems:
        typer.echo(f"\n{system.key}  {system.title.zh} / {system.title.en}")
        for segment in system.segments:
            label = system.labels[segment]
            play = rules.play(system.key, None, segment, {})
            suggested = f"   → {play.zh} / {play.en}" if play else ""
            typer.echo(f"  {segment}  {label.zh} / {label.en}{suggested}")
        changed = _changed(system)
        parameters = [f"{name} = {value}" for name, value in sorted(changed.items())]
        typer.echo(f"  other than by default: {', '.join(parameters) or 'nothing'}")


def _changed(system: System) -> dict[str, Any]:
    """Return the parameters that are not as they are by default."""
    import msgspec

    usual = msgspec.to_builtins(type(system)())
    return {
        name: value for name, value in msgspec.to_builtins(system).items() if value != usual[name]
    }
