"""Offer `rewake validate`: check a rules file and say what it enables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from schemas.errors import RulesError
from streams.cli.output import AsJson, print_json

if TYPE_CHECKING:
    from segmenters.rules import Rules
    from segmenters.system import System

_File = Annotated[Path, typer.Argument(help="The rules file.", metavar="RULES")]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("validate")(_validate)


def _validate(file: _File, *, as_json: AsJson = False) -> None:
    """Check a rules file, and say what it enables; exit code 2 when it cannot be used."""
    from segmenters.rules import load

    try:
        rules = load(file)
    except RulesError as error:
        if not as_json:
            raise
        print_json({"valid": False, "path": error.path, "error": error.detail})
        raise typer.Exit(error.exit_code) from error
    if as_json:
        print_json(_describe(rules))
    else:
        _tell(file, rules)


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
