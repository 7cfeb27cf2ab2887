"""What can be changed while the shop runs: faults, the split of traffic between versions; and who is there.

A folder that all processes share, named by SHOP_CONTROL; without it nothing can be changed. Its files are replaced as
a whole, so a reader never sees half of one:

    faults.json            {"faults": [{"name", "value", "service", "instance", "version", "until_s"}]}
    split.json             {"product-api": {"1.8.2": 80, "1.9.0": 20}}
    instances/NAME.json    written by each process every second: service, version, address, at_s

A fault ends at its `until_s`, whatever has become of whoever switched it on. SHOP_FAULTS ({"name": value}) are faults
that a process was built with: how a bad release is made.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import threading
import time
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SERVICE = os.environ.get("OTEL_SERVICE_NAME", "")
INSTANCE = os.environ.get("SHOP_INSTANCE", SERVICE)
VERSION = os.environ.get("SHOP_VERSION", "")
FRESH_S = 5.0
_LOOK_AGAIN_S = 0.2
_BUILT_IN: dict[str, Any] = json.loads(os.environ.get("SHOP_FAULTS", "{}"))
_FOLDER = Path(os.environ["SHOP_CONTROL"]) if os.environ.get("SHOP_CONTROL") else None


def write_json(path: Path, value: Any) -> None:
    """Replace a file as a whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    temporary.write_text(json.dumps(value))
    temporary.replace(path)


def read_json(path: Path) -> Any:
    """What a file holds; an empty dict if there is none, or if it is no JSON."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return {}


def split_of(user: str, weights: Mapping[str, float], service: str) -> str:
    """The version that a user gets: always the same while the weights stay, and few change when they change."""
    place = zlib.crc32(f"{service}:{user}".encode()) % 10_000 / 10_000 * sum(weights.values())
    for version, weight in reversed([*weights.items()]):  # the newest first: who has it keeps it while it grows
        if place < weight:
            return version
        place -= weight
    return next(iter(weights), "")


class _Seen:
    """The folder as it was a moment ago: looked at a few times a second, however many requests there are."""

    def __init__(self) -> None:
        self._at = -1.0
        self.faults: list[dict[str, Any]] = []
        self.split: dict[str, dict[str, float]] = {}

    def look(self) -> _Seen:
        if _FOLDER is None or time.monotonic() < self._at + _LOOK_AGAIN_S:
            return self
        self._at = time.monotonic()
        self.faults = [fault for fault in read_json(_FOLDER / "faults.json").get("faults", []) if _is_ours(fault)]
        self.split = read_json(_FOLDER / "split.json")
        return self


def _is_ours(fault: Mapping[str, Any]) -> bool:
    mine = {"service": SERVICE, "instance": INSTANCE, "version": VERSION}
    return all(fault.get(key) in (None, own) for key, own in mine.items())


_seen = _Seen()


def fault(name: str, otherwise: Any = None) -> Any:
    """The value of a fault that is switched on in this process, else `otherwise`."""
    for one in _seen.look().faults:
        if one["name"] == name and time.time() < one["until_s"]:
            return one["value"]
    return _BUILT_IN.get(name, otherwise)


def happens(name: str) -> bool:
    """Whether a fault that strikes a share of all cases strikes now."""
    return random.random() < float(fault(name, 0.0))


def releases_for(user: str) -> dict[str, str]:
    """By service the version that this user gets, for services whose traffic is split."""
    return {service: split_of(user, weights, service) for service, weights in _seen.look().split.items() if weights}


def addresses_of(service: str, version: str) -> list[str]:
    """Where this version of a service runs now: asked only while traffic is split."""
    if _FOLDER is None:
        return []
    now = time.time()
    return [
        one["address"]
        for one in map(read_json, sorted((_FOLDER / "instances").glob("*.json")))
        if one.get("service") == service and one.get("version") == version and now < one["at_s"] + FRESH_S
    ]


def start() -> None:
    """Say once a second that this process is there, and let the faults of processes happen."""
    if _FOLDER is not None:
        threading.Thread(target=_beat, args=(_FOLDER / "instances" / f"{INSTANCE}.json",), daemon=True).start()


def _beat(path: Path) -> None:
    began = time.monotonic()
    about = {"service": SERVICE, "version": VERSION, "address": _address(), "pid": os.getpid()}
    busy: list[threading.Thread] = []
    while True:
        with contextlib.suppress(OSError):  # a full disk is not the shop's end
            write_json(path, {**about, "at_s": time.time()})
        lives_s = fault("crash_after_s")
        if lives_s is not None and time.monotonic() > began + float(lives_s):
            os.kill(os.getpid(), signal.SIGKILL)
        busy = [thread for thread in busy if thread.is_alive()]
        for _ in range(int(fault("busy_threads", 0)) - len(busy)):
            busy.append(threading.Thread(target=_spin, daemon=True))
            busy[-1].start()
        time.sleep(1.0)


def _address() -> str:
    host = os.environ.get("SHOP_HOST", os.environ.get("HOST", "127.0.0.1"))
    return f"http://{host}:{os.environ.get('PORT', '0')}"


def _spin() -> None:
    """Work for nothing, as a runaway computation would."""
    while fault("busy_threads", 0):
        sum(range(20_000))
