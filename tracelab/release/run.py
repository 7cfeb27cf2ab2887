"""Run a plan: split, look, judge; go on, wait or roll back. What happens is kept in the lake, a file a release."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tracelab.analysis.release import Limits, Verdict, judge, served_by
from tracelab.lake import Lake
from tracelab.lake.annotations import annotate
from tracelab.release.plan import Step
from tracelab.release.split import Splitter
from tracelab.small_files import read_json, write_json

LOOK_EVERY_S = 2.0
_FOLDER = "releases"
_SETTLE_NS = 2 * 10**9  # of what began later, one side may have arrived and the other not yet


@dataclass
class Release:
    """One release as it goes on: what `LAKE/releases/ID.json` holds.

    Attributes:
        outcome: running, promoted, rolled back, given up (too few requests to judge) or interrupted
        looks: what was seen and said each time
    """

    id: str
    service: str
    baseline: str
    candidate: str
    plan: list[dict[str, float]]
    started_ns: int
    outcome: str = "running"
    weight: float = 0.0
    step: int = 0
    ended_ns: int | None = None
    reasons: tuple[str, ...] = ()
    verdict: dict[str, Any] | None = None
    looks: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Run:
    """What a release is run with."""

    lake: Lake
    splitter: Splitter
    service: str
    baseline: str
    candidate: str
    plan: Sequence[Step]
    limits: Limits = field(default_factory=Limits)
    patience_s: float = 600.0
    tell: Callable[[str], None] = lambda _: None

    def go(self) -> Release:
        """Until it is promoted, rolled back or given up; whatever ends it, an unproven version keeps no traffic."""
        now = time.time_ns()
        release = Release(
            f"{now // 10**9}-{self.service}-{self.candidate}",
            self.service,
            self.baseline,
            self.candidate,
            [asdict(step) for step in self.plan],
            now,
        )
        outcome = "interrupted"
        try:
            outcome = self._steps(release)
        finally:
            self.splitter.finish(self.service, self.baseline, self.candidate, outcome == "promoted")
            release.outcome, release.ended_ns = outcome, time.time_ns()
            release.weight = 100.0 if outcome == "promoted" else 0.0
            self._keep(release)
            annotate(self.lake.path, f"{self.service} {self.candidate} {outcome}", "release")
        return release

    def _steps(self, release: Release) -> str:
        for number, step in enumerate(self.plan, 1):
            release.step, release.weight = number, step.weight
            self.splitter.split(self.service, self.baseline, self.candidate, step.weight)
            annotate(self.lake.path, f"{self.service} {self.candidate} gets {step.weight:g} %", "release")
            self.tell(f"step {number} of {len(self.plan)}: {step.weight:g} % to {self.candidate}")
            outcome = self._bake(release, step)
            if outcome is not None:
                return outcome
        return "promoted"

    def _bake(self, release: Release, step: Step) -> str | None:
        """Look until the step is passed (None), or the release has ended."""
        began = time.monotonic()
        while True:
            time.sleep(LOOK_EVERY_S)
            verdict = self._look(release)
            baked = time.monotonic() - began
            if verdict.action == "roll back":
                return "rolled back"
            if verdict.action == "promote" and baked >= step.bake_s:
                return None
            if baked >= step.bake_s + self.patience_s:
                return "given up"

    def _look(self, release: Release) -> Verdict:
        from tracelab.adjusters import assemble
        from tracelab.schema import ANALYSIS_COLUMNS

        columns = (*ANALYSIS_COLUMNS, "service_version")
        until = time.time_ns() - _SETTLE_NS
        traces = assemble(self.lake.scan(release.started_ns, until, columns=tuple(dict.fromkeys(columns))))
        sides = [
            served_by(traces, self.service, version, release.started_ns) for version in (self.baseline, self.candidate)
        ]
        verdict = judge(sides[0], sides[1], self.limits)
        release.verdict, release.reasons = asdict(verdict), verdict.reasons
        release.looks.append(
            {
                "at_ns": time.time_ns(),
                "weight": release.weight,
                "action": verdict.action,
                "baseline": asdict(verdict.baseline),
                "candidate": asdict(verdict.candidate),
            }
        )
        self._keep(release)
        self.tell(look_text(verdict))
        return verdict

    def _keep(self, release: Release) -> None:
        write_json(self.lake.path / _FOLDER / f"{release.id}.json", asdict(release))


def look_text(verdict: Verdict) -> str:
    """One line: both versions, and what is to be done."""
    from tracelab.times import duration_text, percent_text

    parts = []
    for name, side in (("baseline", verdict.baseline), ("candidate", verdict.candidate)):
        share = "–" if side.failure_share is None else percent_text(side.failure_share)
        parts.append(f"{name} {side.requests} requests, {share} fail, p99 {duration_text(side.p99_ns)}")
    return f"{parts[0]} | {parts[1]} | {verdict.action}: {'; '.join(verdict.reasons)}"


def releases(lake: Path) -> list[dict[str, Any]]:
    """All releases that were run over this lake, the latest first."""
    found = [read_json(path) for path in sorted((lake / _FOLDER).glob("*.json"), reverse=True)]
    return [release for release in found if release]
