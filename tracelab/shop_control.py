"""What the lab asks of a running shop: a folder of small files, replaced as a whole (demo_services/control.py).

Whoever writes here may crash: a fault carries the moment at which it ends, and the processes of the shop keep to it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tracelab.errors import UsageError
from tracelab.small_files import read_json, write_json

FRESH_S = 6.0


@dataclass(frozen=True)
class Instance:
    """A process of the shop that has said lately that it is there."""

    name: str
    service: str
    version: str
    pid: int
    seconds_ago: float


@dataclass(frozen=True)
class Running:
    """What is switched on: a scenario, or several at once; `hidden` if its name is to be found out."""

    name: str
    started_ns: int
    until_ns: int
    hidden: bool
    seed: int
    faults: tuple[dict[str, Any], ...]

    @property
    def left_s(self) -> float:
        return max(0.0, (self.until_ns - time.time_ns()) / 1e9)


class Control:
    """The folder of one shop."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def clear(self) -> None:
        """As it is when a shop begins: no fault, no release, nobody there."""
        for path in [*self.folder.glob("*.json"), *self.folder.glob("instances/*.json")]:
            path.unlink(missing_ok=True)
        self.folder.mkdir(parents=True, exist_ok=True)

    def instances(self) -> list[Instance]:
        """The processes that are there."""
        now = time.time()
        found = []
        for path in sorted(self.folder.glob("instances/*.json")):
            said = self._read(f"instances/{path.name}")
            if said and now < said["at_s"] + FRESH_S:
                version, pid = said["version"], said["pid"]
                found.append(Instance(path.stem, said["service"], version, pid, max(0.0, now - said["at_s"])))
        return found

    def need_shop(self) -> list[Instance]:
        """The processes; UsageError if no shop runs."""
        found = self.instances()
        if not found:
            raise UsageError(
                f"no shop runs that looks at {self.folder}; start one: `tracelab demo` (with the same --lake)"
            )
        return found

    def running(self) -> list[Running]:
        """What is switched on now, the earliest first."""
        entries = self._read("running.json").get("running", [])
        found = [Running(**{**entry, "faults": tuple(entry["faults"])}) for entry in entries]
        return [one for one in found if one.left_s > 0]

    def switch_on(self, added: Running) -> None:
        """Switch on beside what is on already."""
        self._switch([*self.running(), added])

    def switch_off(self, name: str | None = None) -> list[Running]:
        """Switch off one, or all; what was switched off."""
        before = self.running()
        off = [one for one in before if name in (None, one.name)]
        self._switch([one for one in before if one not in off])
        return off

    def _switch(self, running: Sequence[Running]) -> None:
        self._write("running.json", {"running": [vars(one) for one in running]})
        faults = [{**fault, "until_s": one.until_ns / 1e9} for one in running for fault in one.faults]
        self._write("faults.json", {"faults": faults})

    def split(self) -> dict[str, dict[str, float]]:
        """By service the weight of each version."""
        found: dict[str, dict[str, float]] = self._read("split.json")
        return found

    def set_split(self, service: str, weights: dict[str, float] | None) -> None:
        """How a service's traffic is split; None: not at all."""
        split = {**self.split(), service: weights}
        self._write("split.json", {name: part for name, part in split.items() if part})

    def deployments(self) -> list[tuple[str, str]]:
        """(service, version) of the releases that should run beside the shop's own processes."""
        return [(service, version) for service, version in self._read("deployments.json").get("wanted", [])]

    def deploy(self, service: str, version: str) -> None:
        wanted = self.deployments()
        if (service, version) not in wanted:
            self._write("deployments.json", {"wanted": [*wanted, (service, version)]})

    def withdraw(self, service: str, version: str) -> None:
        left = [pair for pair in self.deployments() if pair != (service, version)]
        self._write("deployments.json", {"wanted": left})

    def _read(self, name: str) -> dict[str, Any]:
        return read_json(self.folder / name)

    def _write(self, name: str, value: Any) -> None:
        write_json(self.folder / name, value)


def control_of(lake: Path) -> Control:
    """The control folder of the shop over this lake, or the one that TRACELAB_SHOP_CONTROL names (compose)."""
    named = os.environ.get("TRACELAB_SHOP_CONTROL")
    return Control(Path(named) if named else lake.resolve() / "demo" / "control")
