"""Offer `rewake topics`: the catalogue against the cluster."""

from __future__ import annotations

from dataclasses import asdict

import typer

from streams.cli.output import AsJson, print_json, print_table, say

_group = typer.Typer(help="The topics: list, create, compare.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the group to the command line."""
    app.add_typer(_group, name="topics")


@_group.command("list")
def _list(*, as_json: AsJson = False) -> None:
    """Print the catalogue: every topic, and how it is made with the settings in force."""
    from streams.settings import load_settings
    from streams.topics_admin import plan

    entries = [
        {
            "name": planned.topic.name,
            "direction": planned.topic.direction.value,
            "key": planned.topic.key,
            "cleanup": planned.topic.cleanup.value,
            "partitions": planned.partitions,
            "what": planned.topic.what,
        }
        for planned in plan(load_settings())
    ]
    if as_json:
        print_json(entries)
    else:
        print_table(tuple(entries[0]), [tuple(entry.values()) for entry in entries])


@_group.command("create")
def _create(*, as_json: AsJson = False) -> None:
    """Create the topics that are missing; those that exist are left as they are."""
    from streams.settings import load_settings
    from streams.topics_admin import connect, create, diff, plan

    settings = load_settings()
    plans = plan(settings)
    with connect(settings) as admin:
        made = create(admin, plans)
        left = diff(admin, plans)
    if as_json:
        print_json({"created": made})
    else:
        typer.echo(f"created {len(made)} of {len(plans)} topics; the others existed")
    for difference in left:
        say(f"rewake: {difference}")


@_group.command("diff")
def _diff(*, as_json: AsJson = False) -> None:
    """Compare the cluster with the catalogue; exit code 1 when they differ."""
    from streams.settings import load_settings
    from streams.topics_admin import connect, diff, plan

    settings = load_settings()
    with connect(settings) as admin:
        found = diff(admin, plan(settings))
    if as_json:
        print_json([asdict(difference) for difference in found])
    else:
        for difference in found:
            typer.echo(str(difference))
    if found:
        raise typer.Exit(1)
    say("the cluster is as the catalogue says")
