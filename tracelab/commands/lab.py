"""`tracelab lab`: faults with a known truth in the demo shop."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tracelab.commands.options import json_option, lake_option, print_json
from tracelab.times import duration_text, parse_duration_ns, time_text

if TYPE_CHECKING:
    from tracelab.shop_control import Control, Running

_language_option = click.option("--language", default="en", show_default=True, help="Of the texts: en, ru.")


@click.group("lab")
def command() -> None:
    """Break the demo shop on purpose: real faults with a known truth.

    \b
    tracelab demo                       in one terminal
    tracelab lab start slow-query       in another; or `lab start random --hidden`
    tracelab diagnose --since 1m        what do the traces say?
    tracelab lab reveal
    tracelab lab stop
    """


def _open(lake_path: Path | None) -> tuple[Path, Control]:
    from tracelab.lake import Lake, default_lake_path
    from tracelab.shop_control import control_of

    lake = Lake.open(lake_path or default_lake_path()).path
    return lake, control_of(lake)


@command.command("list")
@_language_option
@json_option
def list_(language: str, as_json: bool) -> None:
    """All scenarios: what one sees of each; their causes are told by `lab reveal`."""
    from rich.table import Table
    from rich.text import Text

    from tracelab.lab.scenarios import scenarios
    from tracelab.reporters.terminal import print_report

    found = scenarios(language).values()
    if as_json:
        print_json({"scenarios": [_scenario_shape(one) for one in found]})
        return
    table = Table(box=None, pad_edge=False)
    for title in ("scenario", "level", "what one sees"):
        table.add_column(title, no_wrap=title != "what one sees")
    for one in found:
        table.add_row(one.name, "•" * one.level, Text(one.symptom))
    print_report(table)


def _scenario_shape(one: Any) -> dict[str, Any]:
    return {
        "name": one.name,
        "title": one.title,
        "level": one.level,
        "symptom": one.symptom,
        "cause": one.cause,
        "hints": list(one.hints),
        "faults": [dict(fault) for fault in one.faults],
        "deploy": dict(one.deploy) or None,
        "truth": {
            "services": list(one.truth.services),
            "kinds": list(one.truth.kinds),
            "edge": list(one.truth.edge) if one.truth.edge else None,
            "attribute": one.truth.attribute,
        },
    }


@command.command("start")
@click.argument("name")
@lake_option
@click.option("--for", "lasts", default="10m", show_default=True, help="It ends by itself after this time.")
@click.option("--hidden", is_flag=True, help="Do not say which one it is: for a room that is to find it.")
@click.option("--seed", type=int, help="What `random` picks. [default: by chance]")
def start_(name: str, lake_path: Path | None, lasts: str, hidden: bool, seed: int | None) -> None:
    """Switch a fault on in the running shop; NAME as in `lab list`, or `random`.

    It ends by itself, even if tracelab crashes. Several can be on at once.

    \b
    tracelab lab start slow-query
    tracelab lab start random --hidden --for 20m
    """
    from tracelab.lab.scenarios import scenario_named, start_scenario

    lake, control = _open(lake_path)
    chosen_seed = time.time_ns() % 10**6 if seed is None else seed
    scenario = scenario_named(name, chosen_seed)
    running = start_scenario(lake, control, scenario, parse_duration_ns(lasts) / 1e9, hidden, chosen_seed)
    if hidden:
        click.echo(f"a fault is on; it ends by itself in {duration_text(running.left_s * 1e9)}. Find it.")
    else:
        click.echo(f"{scenario.name} is on; it ends by itself in {duration_text(running.left_s * 1e9)}.")
        click.echo(f"What one sees: {scenario.symptom}")


@command.command("stop")
@click.argument("name", required=False)
@lake_option
def stop_(name: str | None, lake_path: Path | None) -> None:
    """Switch a fault off, or all of them."""
    from tracelab.lab.scenarios import stop_scenarios

    lake, control = _open(lake_path)
    off = stop_scenarios(lake, control, name)
    for running in off:
        click.echo(f"{'the hidden fault' if running.hidden else running.name} is off")
    if not off:
        click.echo("no fault was on" if name is None else f"{name} was not on")


@command.command("status")
@lake_option
@json_option
def status(lake_path: Path | None, as_json: bool) -> None:
    """What is switched on, until when, and which processes of the shop are there."""
    _, control = _open(lake_path)
    running, instances = control.running(), control.instances()
    if as_json:
        print_json(
            {
                "running": [_running_shape(one) for one in running],
                "instances": [vars(one) for one in instances],
                "split": control.split(),
            }
        )
        return
    for one in running:
        name = "a hidden fault" if one.hidden else one.name
        click.echo(f"{name} is on since {time_text(one.started_ns)}, for {duration_text(one.left_s * 1e9)} more")
    if not running:
        click.echo("no fault is on")
    for service, weights in control.split().items():
        click.echo(f"{service} is split: " + ", ".join(f"{version} {share:g} %" for version, share in weights.items()))
    click.echo("the shop: " + (", ".join(f"{one.name} {one.version}" for one in instances) or "is not running"))


def _running_shape(one: Running) -> dict[str, Any]:
    hidden = {"name": None} if one.hidden else {"name": one.name}
    return {
        **hidden,
        "hidden": one.hidden,
        "started_ns": one.started_ns,
        "until_ns": one.until_ns,
        "left_s": round(one.left_s, 1),
    }


@command.command("reveal")
@lake_option
@click.option("--hint", type=click.IntRange(1, 3), help="Only a hint: 1 is vague, 3 is plain.")
@_language_option
def reveal(lake_path: Path | None, hint: int | None, language: str) -> None:
    """Say what is behind the faults that are on."""
    from tracelab.lab.scenarios import scenarios

    _, control = _open(lake_path)
    running = control.running()
    for one in running:
        scenario = scenarios(language)[one.name]
        if hint is not None:
            click.echo(scenario.hints[min(hint, len(scenario.hints)) - 1])
            continue
        minutes = (time.time_ns() - one.started_ns) / 1e9
        click.echo(f"{scenario.title} ({scenario.name}), on for {duration_text(minutes * 1e9)}")
        click.echo(f"  {scenario.cause}")
    if not running:
        click.echo("no fault is on")


@command.command("drill")
@click.argument("kind", type=click.Choice(["latency", "kill"]))
@lake_option
@click.option(
    "--service", "services", multiple=True, required=True, help="Blast radius: what may be struck. Repeatable."
)
@click.option("--for", "lasts", default="1m", show_default=True, help="How long.")
@click.option("--success", type=click.FloatRange(0, 100), default=99.0, show_default=True, help="Per cent that must.")
@click.option("--p99", default="500ms", show_default=True, help="What the p99 of requests that enter may be.")
@click.option("--latency", type=float, default=200.0, show_default=True, help="Milliseconds that `latency` adds.")
@click.option("--seed", type=int, default=1, show_default=True, help="What is struck when.")
@json_option
def drill(
    kind: str,
    lake_path: Path | None,
    services: tuple[str, ...],
    lasts: str,
    success: float,
    p99: str,
    latency: float,
    seed: int,
    as_json: bool,
) -> None:
    """Trouble at random in a blast radius while a steady state must hold; stops by itself when it does not.

    Exits 1 if the steady state was broken, or did not hold to begin with.

    \b
    tracelab lab drill latency --service auth --service product-api --success 90
    tracelab lab drill kill --service payment --for 2m --success 90 --p99 1s
    """
    from dataclasses import asdict

    from tracelab.errors import CheckError
    from tracelab.lab.drill import Drill, Steady, state_text
    from tracelab.lake import Lake

    lake, control = _open(lake_path)
    steady = Steady(success / 100, parse_duration_ns(p99))
    tell = (lambda text: click.echo(text, err=True)) if as_json else click.echo
    going = Drill(Lake.open(lake), control, kind, services, steady, parse_duration_ns(lasts) / 1e9, seed, latency, tell)
    report = going.run()
    if as_json:
        print_json(asdict(report))
    click.echo(
        f"{kind} in {', '.join(services)} for {duration_text(report.seconds * 1e9)}, {len(report.strikes)} strikes: "
        f"the steady state {report.outcome if report.outcome == 'held' else 'was broken'}",
        err=as_json,
    )
    if report.outcome != "held":
        raise CheckError(f"not steady under {kind}: {state_text(report.during)}")
