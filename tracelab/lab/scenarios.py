"""Faults with ground truth, declared in scenarios.toml, and starting and stopping them."""

from __future__ import annotations

import time
import tomllib
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from tracelab.errors import UsageError
from tracelab.lab.texts import translated
from tracelab.lake.annotations import annotate
from tracelab.shop_control import Control, Running

LASTS_S = 600.0


@dataclass(frozen=True)
class Truth:
    """What is behind a scenario.

    Attributes:
        services: where the cause lies; a fault between two services may be laid at either's door
        kinds: how a diagnosis may call it
        edge: (client, server) if it is one call that suffers
        attribute: key=value that the affected spans share
    """

    services: tuple[str, ...]
    kinds: tuple[str, ...]
    edge: tuple[str, str] | None = None
    attribute: str | None = None


@dataclass(frozen=True)
class Scenario:
    """One fault: what is done, what one sees of it, what is behind it."""

    name: str
    title: str
    level: int
    symptom: str
    cause: str
    hints: tuple[str, ...]
    truth: Truth
    faults: tuple[Mapping[str, Any], ...] = ()
    deploy: Mapping[str, Any] = field(default_factory=dict)


@cache
def scenarios(language: str = "en") -> dict[str, Scenario]:
    """All of them by name, in the order of the file."""
    declared = tomllib.loads((Path(__file__).parent / "scenarios.toml").read_text())
    texts = translated("scenarios", language)
    return {name: _scenario(name, {**entry, **texts.get(name, {})}) for name, entry in declared.items()}


def _scenario(name: str, entry: Mapping[str, Any]) -> Scenario:
    truth = entry["truth"]
    edge = truth.get("edge")
    return Scenario(
        name=name,
        title=entry["title"],
        level=entry["level"],
        symptom=entry["symptom"],
        cause=entry["cause"],
        hints=tuple(entry["hints"]),
        truth=Truth(
            tuple(truth["services"]),
            tuple(truth["kinds"]),
            (edge[0], edge[1]) if edge else None,
            truth.get("attribute"),
        ),
        faults=tuple(entry["faults"]),
        deploy=entry.get("deploy", {}),
    )


def scenario_named(name: str, seed: int, language: str = "en") -> Scenario:
    """A scenario by its name; `random` is one that the seed picks."""
    known = scenarios(language)
    if name == "random":
        return known[sorted(known)[zlib.crc32(str(seed).encode()) % len(known)]]
    if name not in known:
        raise UsageError(f"no scenario {name!r}; `tracelab lab list` has them: {', '.join(known)}")
    return known[name]


def start_scenario(
    lake: Path, control: Control, scenario: Scenario, lasts_s: float = LASTS_S, hidden: bool = False, seed: int = 0
) -> Running:
    """Switch a scenario on, for `lasts_s` at most, and mark it on the time axis."""
    control.need_shop()
    if any(one.name == scenario.name for one in control.running()):
        raise UsageError(f"{scenario.name} is on already; `tracelab lab status`" if not hidden else "it is on already")
    now = time.time_ns()
    running = Running(scenario.name, now, now + int(lasts_s * 1e9), hidden, seed, tuple(map(dict, scenario.faults)))
    control.switch_on(running)
    if scenario.deploy:
        deploy_for(control, scenario)
    annotate(lake, "a fault was switched on" if hidden else f"fault {scenario.name} on", "fault", now)
    return running


def stop_scenarios(lake: Path, control: Control, name: str | None = None) -> list[Running]:
    """Switch one off, or all, and mark it on the time axis."""
    off = control.switch_off(name)
    for running in off:
        known = scenarios().get(running.name)
        if known is not None and known.deploy:
            control.set_split(known.deploy["service"], None)
            control.withdraw(known.deploy["service"], known.deploy["version"])
        annotate(lake, "a fault was switched off" if running.hidden else f"fault {running.name} off", "fault")
    return off


def deploy_for(control: Control, scenario: Scenario) -> None:
    """Run the release that a scenario is about, and give it its share of the traffic."""
    service, version, weight = (scenario.deploy[key] for key in ("service", "version", "weight"))
    stable = next((one.version for one in control.instances() if one.service == service), None)
    if stable is None:
        raise UsageError(f"no instance of {service} is there; is the shop still starting?")
    control.deploy(service, version)
    control.set_split(service, {stable: 100 - weight, version: weight})
