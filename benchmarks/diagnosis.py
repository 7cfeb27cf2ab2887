"""How good is the diagnosis? Every scenario of the lab in a running shop, and what is said of it from its traces.

    python -m benchmarks.diagnosis run FOLDER --seed 1 --rate 12          every scenario, one after another
    python -m benchmarks.diagnosis run FOLDER --seed 2 --rate 20 --pairs 10     two at once
    python -m benchmarks.diagnosis run FOLDER --seed 3 --quiet 60         healthy traffic for an hour
    python -m benchmarks.diagnosis score FOLDER                           the tables, from what the runs left behind

A look sees what had ended by then. `seconds` is the first look (each 5 s) at which a true cause came first. Beside it,
on the same traces: the service with the highest share of errors, the one whose p99 grew most, and Ochiai's coefficient
over the operations that slow or failed traces cover (Abreu et al. 2007, spectrum-based fault localization).
"""

from __future__ import annotations

import argparse
import json
import math
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tracelab.adjusters import assemble
from tracelab.analysis.cohorts import Cohort, cohort
from tracelab.analysis.diagnosis import diagnose
from tracelab.analysis.summaries import first_roots
from tracelab.lab.scenarios import Truth, scenarios, start_scenario, stop_scenarios
from tracelab.lake import Lake
from tracelab.schema import ANALYSIS_COLUMNS, STATUS_ERROR
from tracelab.shop_control import control_of
from tracelab.window import Window

S = 10**9
WARM_S, BASE_S, ON_S, OFF_S = 20.0, 60.0, 30.0, 18.0
LOOKS_S = (5, 10, 15, 20, 25, 30)
QUIET_EVERY_S, QUIET_NOW_S, QUIET_BASE_S = 30, 60, 300
BASELINES = ("most errors", "p99 growth", "Ochiai")


def run(folder: Path, seed: int, rate: float, pairs: int, quiet_min: float) -> None:
    """Run a shop, switch faults on and off, and keep what was done when."""
    lake = folder / f"lake-{seed}-{rate:g}{'-pairs' if pairs else '-quiet' if quiet_min else ''}"
    lake.mkdir(parents=True)
    port = 20_000 + seed * 10
    ports = ["--grpc-port", str(port), "--http-port", str(port + 1), "--gateway-port", str(port + 2)]
    command = [sys.executable, "-m", "tracelab", "demo", "--lake", str(lake), "--no-dashboard", *ports]
    shop = subprocess.Popen([*command, "--rate", str(rate), "--seed", str(seed)], stdout=subprocess.DEVNULL)
    control = control_of(lake)
    done: list[dict[str, Any]] = []
    try:
        while len(control.instances()) < 10:
            time.sleep(0.2)
        time.sleep(WARM_S)
        since = time.time_ns()
        time.sleep(quiet_min * 60 if quiet_min else BASE_S)
        done.append({"quiet": [since, time.time_ns()]})
        for names in _rounds(seed, pairs, bool(quiet_min)):
            began = time.time_ns()
            for name in names:
                start_scenario(lake, control, scenarios()[name], ON_S + 60)
            time.sleep(ON_S)
            done.append({"names": names, "on": began, "off": time.time_ns()})
            stop_scenarios(lake, control)
            print(f"{lake.name}: {' + '.join(names)}", flush=True)
            time.sleep(OFF_S)
    finally:
        (lake / "done.json").write_text(json.dumps(done))
        shop.terminate()
        shop.wait(60)


def _rounds(seed: int, pairs: int, quiet: bool) -> list[list[str]]:
    if quiet:
        return []
    chance, names = random.Random(seed), list(scenarios())
    if not pairs:
        chance.shuffle(names)
        return [[name] for name in names]
    return [chance.sample(names, 2) for _ in range(pairs)]


@dataclass(frozen=True)
class Seen:
    """What one method says at a look, the most likely first: (service, edge, kind)."""

    ranking: list[tuple[str, tuple[str, str] | None, str]]

    def rank(self, truths: list[Truth]) -> int | None:
        """The place of the first true cause, from 1."""
        for place, (service, edge, _) in enumerate(self.ranking, 1):
            if any(service in truth.services or (edge is not None and edge == truth.edge) for truth in truths):
                return place
        return None


def _table(lake: Lake, since_ns: int, until_ns: int) -> pa.Table:
    return lake.scan(since_ns, until_ns, columns=(*ANALYSIS_COLUMNS, "attributes", "resource"))


def _as_seen_at(table: pa.Table, at_ns: int) -> pa.Table:
    ends = pc.add(table.column("start_ns").cast(pa.int64()), table.column("duration_ns").cast(pa.int64()))
    return table.filter(pc.less_equal(ends, at_ns))


def _ours(base: Cohort, now: Cohort) -> Seen:
    return Seen([(cause.service_name, cause.edge, cause.kind) for cause in diagnose(base, now).causes])


def _requests(cohort_: Cohort) -> dict[str, tuple[float, float, int]]:
    """Per service (share of errors, p99 in ns, requests) of what entered it."""
    traces, rows = cohort_.traces, cohort_.times.request_row
    rows = rows[cohort_.rows[rows]]
    found = {}
    for code, service in enumerate(traces.services):
        mine = rows[traces.service[rows] == code]
        if mine.size >= 5:
            duration = traces.end_ns[mine] - traces.start_ns[mine]
            errors = float((traces.status_code[mine] == STATUS_ERROR).mean())
            found[service or ""] = errors, float(np.quantile(duration, 0.99)), mine.size
    return found


def _most_errors(_: Cohort, now: Cohort) -> Seen:
    shares = {service: share for service, (share, _, _) in _requests(now).items() if share > 0}
    return Seen([(service, None, "errors") for service in sorted(shares, key=lambda name: -shares[name])])


def _p99_growth(base: Cohort, now: Cohort) -> Seen:
    before, after = _requests(base), _requests(now)
    growth = {service: after[service][1] / before[service][1] for service in after.keys() & before.keys()}
    return Seen(
        [(service, None, "slow") for service in sorted(growth, key=lambda name: -growth[name]) if growth[service] > 1.2]
    )


def _ochiai(base: Cohort, now: Cohort) -> Seen:
    traces = now.traces
    root = first_roots(traces)
    duration, kind = traces.end_ns[root] - traces.start_ns[root], traces.operations[0][root]
    failed = np.zeros(traces.trace_count, np.bool_)
    failed[traces.trace[(traces.status_code == STATUS_ERROR) & ~traces.is_placeholder]] = True
    for code in np.unique(kind):
        usual = duration[(kind == code) & base.chosen]
        if usual.size:
            failed |= (kind == code) & (duration > np.quantile(usual, 0.95))
    bad, good = failed & now.chosen, ~failed & now.chosen
    codes, operations = traces.operations
    pairs = np.unique(codes.astype(np.int64) * traces.trace_count + traces.trace)
    operation, trace = np.divmod(pairs, traces.trace_count)
    hits = np.bincount(operation, bad[trace], len(operations))
    passes = np.bincount(operation, good[trace], len(operations))
    scores: dict[str, float] = {}
    for code, (service, _) in enumerate(operations):
        if service is not None and hits[code]:
            score = hits[code] / math.sqrt(max(bad.sum(), 1) * (hits[code] + passes[code]))
            scores[service] = max(scores.get(service, 0.0), float(score))
    return Seen([(service, None, "") for service in sorted(scores, key=lambda name: -scores[name])])


METHODS: dict[str, Callable[[Cohort, Cohort], Seen]] = {
    "diagnose": _ours,
    "most errors": _most_errors,
    "p99 growth": _p99_growth,
    "Ochiai": _ochiai,
}


def score(folder: Path) -> None:
    """Print what was found, run by run."""
    for path in sorted(folder.glob("lake-*/done.json")):
        lake, done = Lake.open(path.parent), json.loads(path.read_text())
        quiet = next(entry["quiet"] for entry in done if "quiet" in entry)
        print(f"\n{path.parent.name}")
        _score_quiet(lake, quiet)
        _score_faults(lake, quiet, [entry for entry in done if "names" in entry])


def _score_quiet(lake: Lake, quiet: list[int]) -> None:
    looks = alarms = 0
    raised = []
    for at in range(quiet[0] + (QUIET_NOW_S + 60) * S, quiet[1], QUIET_EVERY_S * S):
        since = at - QUIET_NOW_S * S
        now, base = Window(since, at), Window(max(quiet[0], since - QUIET_BASE_S * S), since)
        traces = assemble(_as_seen_at(_table(lake, base.since_ns or 0, at), at))
        seen = _ours(cohort(traces, base), cohort(traces, now))
        looks += 1
        alarms += bool(seen.ranking)
        raised += [(round((at - quiet[0]) / S), *one) for one in seen.ranking]
    print(
        f"healthy traffic, {(quiet[1] - quiet[0]) / 60 / S:.1f} min: {alarms} of {looks} looks raise an alarm {raised}"
    )


def _score_faults(lake: Lake, quiet: list[int], faults: list[dict[str, Any]]) -> None:
    if not faults:
        return
    base_window = Window(quiet[0], quiet[1])
    print(f"| fault | place | s | kind | {' | '.join(BASELINES)} |\n|---|---:|---:|---|{'---:|' * len(BASELINES)}")
    places: dict[str, list[int | None]] = {name: [] for name in METHODS}
    waits: list[int] = []
    both = 0
    for fault in sorted(faults, key=lambda entry: str(entry["names"])):
        truths = [scenarios()[name].truth for name in fault["names"]]
        calm = _table(lake, quiet[0], quiet[1])
        table = pa.concat_tables([calm, _table(lake, fault["on"], fault["off"])])
        wait, kind, last = None, "", {}
        for look in LOOKS_S:
            at = fault["on"] + look * S
            traces = assemble(_as_seen_at(table, at))
            sides = cohort(traces, base_window), cohort(traces, Window(fault["on"], at))
            seen = _ours(*sides)
            if wait is None and seen.rank(truths) == 1:
                wait = look
            if look == LOOKS_S[-1]:
                last = {name: method(*sides) for name, method in METHODS.items()}
        ranks = {name: seen.rank(truths) for name, seen in last.items()}
        for name, rank in ranks.items():
            places[name].append(rank)
        if wait is not None:
            waits.append(wait)
        ours = last["diagnose"]
        both += len(truths) > 1 and all((ours.rank([truth]) or 9) <= 3 for truth in truths)
        if ours.ranking:
            kind = ours.ranking[0][2]
            kind += "" if any(kind in truth.kinds for truth in truths) else " (not so)"
        shown = [str(ranks[name] or "–") for name in BASELINES]
        about = [" + ".join(fault["names"]), str(ranks["diagnose"] or "–"), str(wait or "–"), kind]
        print(f"| {' | '.join([*about, *shown])} |")
    for name, ranks_ in places.items():
        first, third = (sum(rank is not None and rank <= most for rank in ranks_) for most in (1, 3))
        print(f"{name}: top-1 {first} of {len(ranks_)}, top-3 {third} of {len(ranks_)}")
    if waits:
        print(f"seconds until a true cause came first: median {statistics.median(waits):.0f}, most {max(waits)}")
    if any(len(fault["names"]) > 1 for fault in faults):
        print(f"both causes among the first three: {both} of {len(faults)}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.diagnosis", description=__doc__.splitlines()[0])
    parser.add_argument("do", choices=["run", "score"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=12.0)
    parser.add_argument("--pairs", type=int, default=0)
    parser.add_argument("--quiet", type=float, default=0.0, metavar="MINUTES")
    options = parser.parse_args()
    if options.do == "run":
        run(options.folder, options.seed, options.rate, options.pairs, options.quiet)
    else:
        score(options.folder)


if __name__ == "__main__":
    main()
