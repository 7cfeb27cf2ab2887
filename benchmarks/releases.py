"""How good are the verdicts on releases? Simulated ones, good and bad, judged as `tracelab canary run` does.

    python -m benchmarks.releases [--releases 50] [--rate 10]

Users come at random; two routes with log-normal latency and a long tail, the baseline with failures of its own. Every
two seconds both methods look at what was served so far. Beside ours: a plain threshold (failures above 1 %, p99 above
500 ms, of at least as many requests). A release that is held at the end has not got through.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tracelab.analysis.release import Limits, Served, judge

ROUTES = ("GET /products", "GET /products/{product_id}")
MEDIAN_MS, SPREAD = (9.0, 14.0), 0.7
PLAN, BAKE_S, LOOK_S = (5, 20, 60, 100), 30.0, 2.0
LOOKS = int(BAKE_S * len(PLAN) / LOOK_S)


@dataclass(frozen=True)
class Kind:
    """A kind of release: whether it is good, and how its routes differ from the baseline's."""

    name: str
    good: bool
    base_failures: float = 0.002
    failures: float = 0.002
    slower_ms: tuple[float, float] = (0.0, 0.0)
    tail_share: float = 0.0
    tail_ms: float = 0.0


KINDS = (
    Kind("the same", True),
    Kind("the same, both fail 2 %", True, 0.02, 0.02),
    Kind("a little quicker", True, slower_ms=(-1.0, -1.0)),
    Kind("1 ms slower", True, slower_ms=(1.0, 1.0)),
    Kind("5 % fail", False, failures=0.05),
    Kind("2 % fail", False, failures=0.02),
    Kind("one route 40 ms slower", False, slower_ms=(0.0, 40.0)),
    Kind("both routes 15 ms slower", False, slower_ms=(15.0, 15.0)),
    Kind("3 % take 2 s longer", False, tail_share=0.03, tail_ms=2000.0),
    Kind("both fail 2 %, then 8 %", False, 0.02, 0.08),
)


@dataclass
class _Traffic:
    """Requests as they come: when, which route, duration, failure."""

    at_s: np.ndarray
    route: np.ndarray
    duration_ns: np.ndarray
    failed: np.ndarray
    is_new: np.ndarray

    def served(self, until_s: float, is_new: bool) -> Served:
        mine = (self.at_s < until_s) & (self.is_new == is_new)
        return Served(ROUTES, self.route[mine], self.duration_ns[mine], self.failed[mine])


def traffic(kind: Kind, rate: float, chance: np.random.Generator) -> _Traffic:
    """All requests of one release from its first step to its last."""
    length = BAKE_S * len(PLAN)
    count = chance.poisson(rate * length)
    at = np.sort(chance.uniform(0, length, count))
    share = np.array(PLAN)[np.minimum((at / BAKE_S).astype(int), len(PLAN) - 1)] / 100
    new = chance.random(count) < share
    route = chance.integers(0, 2, count)
    millis = np.array(MEDIAN_MS)[route] * chance.lognormal(0, SPREAD, count)
    millis += new * np.array(kind.slower_ms)[route]
    millis += new * (chance.random(count) < kind.tail_share) * kind.tail_ms
    failed = chance.random(count) < np.where(new, kind.failures, kind.base_failures)
    return _Traffic(at, route.astype(np.int64), (np.maximum(millis, 0.5) * 1e6).astype(np.int64), failed, new)


def ours(base: Served, new: Served) -> str:
    """What to do."""
    return judge(base, new).action


def threshold(_: Served, new: Served) -> str:
    """The plain rule."""
    bad = new.size >= Limits().samples and (new.failed.mean() > 0.01 or np.quantile(new.duration_ns, 0.99) > 500e6)
    return "roll back" if bad else "promote"


METHODS: dict[str, Callable[[Served, Served], str]] = {"tracelab": ours, "plain threshold": threshold}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.releases", description=__doc__.splitlines()[0])
    parser.add_argument("--releases", type=int, default=50, help="of each kind")
    parser.add_argument("--rate", type=float, default=10.0, help="requests a second, both versions together")
    options = parser.parse_args()
    chance = np.random.default_rng(1)
    print(f"{options.releases} releases of each kind, {options.rate:g} requests/s, steps of {BAKE_S:g} s: {PLAN} %")
    print("| release | should be | " + " | ".join(f"{name}: rolled back | after s" for name in METHODS) + " |")
    print("|---|---|" + "---:|---:|" * len(METHODS))
    wrong = {name: [0, 0] for name in METHODS}
    for kind in KINDS:
        ends: dict[str, list[float]] = {name: [] for name in METHODS}
        for _ in range(options.releases):
            requests = traffic(kind, options.rate, chance)
            for name, method in METHODS.items():
                for look in range(1, LOOKS + 1):
                    action = method(requests.served(look * LOOK_S, False), requests.served(look * LOOK_S, True))
                    if action == "roll back" or (look == LOOKS and action == "hold"):
                        ends[name].append(look * LOOK_S)
                        break
        cells = []
        for name, seconds in ends.items():
            wrong[name][kind.good] += len(seconds) if kind.good else options.releases - len(seconds)
            cells.append(f"{len(seconds)} | {f'{statistics.median(seconds):.0f}' if seconds else '–'}")
        print(f"| {kind.name} | {'kept' if kind.good else 'rolled back'} | {' | '.join(cells)} |")
    goods = sum(kind.good for kind in KINDS) * options.releases
    bads = len(KINDS) * options.releases - goods
    for name, (through, back) in wrong.items():
        print(f"{name}: {through} of {bads} bad ones got through, {back} of {goods} good ones were rolled back")


if __name__ == "__main__":
    main()
