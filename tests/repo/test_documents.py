"""Documents say what the code does."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from demo_services.processes import PROCESSES
from tests.support.builders import span, span_table
from tests.support.reference import FOLDER, PAGES
from tracelab.adjusters import assemble
from tracelab.analysis.advice import ADVICE
from tracelab.analysis.attributes import AttributeLift
from tracelab.analysis.comparison import Figure
from tracelab.analysis.completion import CompletionPaths
from tracelab.analysis.critical_path import critical_paths
from tracelab.analysis.diagnosis import KINDS, Evidence
from tracelab.analysis.fanout import CallsPerTrace
from tracelab.analysis.findings import Example, Finding, Findings
from tracelab.analysis.missing_edge import Cause, EdgeExplanation, SpanRef
from tracelab.analysis.profile import EdgeShare, OperationShare, PathProfile
from tracelab.analysis.release import RouteFigures, Side, Verdict
from tracelab.analysis.service_graph import service_graph
from tracelab.analysis.skew import ClockSkew
from tracelab.analysis.slow import GapPart, SlowExplanation
from tracelab.analysis.structure import Impact, Spread, Structure
from tracelab.analysis.summaries import trace_summaries
from tracelab.analysis.suspects import Suspect
from tracelab.analysis.what_if import Durations, WhatIf
from tracelab.lab.drill import Report, State
from tracelab.release.run import Release
from tracelab.reporters.shapes import critical_path_shape, topology_shape, trace_shape, traces_shape
from tracelab.window import Window

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("page", PAGES)
def test_reference_pages_are_what_the_code_says(page: str) -> None:
    assert (FOLDER / page).read_text() == PAGES[page](), "run `make docs`"


def test_every_command_has_an_example() -> None:
    for section in re.split(r"^## ", PAGES["commands.md"](), flags=re.M)[1:]:
        name = section.splitlines()[0]
        if name.count(" ") == 1:
            assert f"\n  {name}" in section, name


def test_every_json_key_is_described() -> None:
    traces = assemble(
        span_table(
            [
                span(
                    1,
                    None,
                    0,
                    9,
                    kind="SERVER",
                    events=[{"name": "e"}],
                    links=[{"trace_id": "1" * 32, "span_id": "2" * 16}],
                )
            ]
        )
    )
    paths = critical_paths(traces)
    shapes = [
        topology_shape(service_graph(traces)), critical_path_shape(paths, [0]), trace_shape(paths),
        traces_shape(trace_summaries(traces, Window()), 1, traces.diagnostics),
    ]  # fmt: skip
    text = (FOLDER / "json.md").read_text()

    def keys(value: object) -> set[str]:
        if isinstance(value, dict):
            return set(value) | {key for item in value.values() for key in keys(item)}
        return {key for item in value for key in keys(item)} if isinstance(value, list) else set()

    described = {key for shape in shapes for key in keys(shape)} - {"service.name", "dangling_links"}
    assert [key for key in sorted(described) if f'"{key}"' not in text] == []


ANSWERS = (
    CallsPerTrace, Cause, ClockSkew, CompletionPaths, Durations, EdgeExplanation, Example, Figure, Finding,
    Findings, GapPart, Impact, EdgeShare, OperationShare, PathProfile, SlowExplanation, AttributeLift,
    SpanRef, Spread, Structure, Suspect, WhatIf, Evidence, Verdict, Side, RouteFigures, Release, Report, State,
)  # fmt: skip


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: answer.__name__)
def test_every_field_of_an_answer_is_described(answer: type) -> None:
    text = (FOLDER / "json.md").read_text()
    inside = {"paths"}  # of Python alone
    assert [field.name for field in fields(answer) if f'"{field.name}"' not in text and field.name not in inside] == []


def test_every_kind_of_finding_and_cause_is_described() -> None:
    pages = ROOT / "docs" / "how-it-works"
    assert [kind for kind in ADVICE if f"`{kind}`" not in (pages / "findings.md").read_text()] == []
    causes = set(re.findall(r'"([a-z]+_[a-z_]+)"', (ROOT / "tracelab" / "analysis" / "missing_edge.py").read_text()))
    assert [cause for cause in causes if f"`{cause}`" not in (pages / "explain-edge.md").read_text()] == []


def test_every_kind_of_cause_is_described() -> None:
    text = (ROOT / "docs" / "how-it-works" / "diagnosis.md").read_text()
    assert [kind for kind in KINDS if f"`{kind}`" not in text] == []


@pytest.mark.parametrize(
    "page", [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")], ids=lambda page: str(page.relative_to(ROOT))
)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_compose_has_the_same_shop() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    services = compose["services"]
    for process in PROCESSES:
        environment = services[process.id]["environment"]
        assert services[process.id]["command"] == ["python", "-m", "demo_services", process.name]
        assert f"service.version={process.version}," in environment["OTEL_RESOURCE_ATTRIBUTES"]
        for other in process.calls:
            assert any(key.startswith(other.upper().replace("-", "_")) for key in environment), (process.name, other)
    for name, service in services.items():
        assert "healthcheck" in service or name == "load"
        assert all(needed["condition"] == "service_healthy" for needed in service.get("depends_on", {}).values())
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_the_project_speaks_of_itself_only() -> None:
    machine = [str(ROOT), str(ROOT.parent), str(Path.home())]
    forbidden = re.compile("|".join(re.escape(word) for word in machine if len(word) > 4))
    for path in ROOT.rglob("*"):
        inside = path.relative_to(ROOT).parts
        if (
            path.suffix in (".py", ".md", ".toml", ".yml", ".js", ".css")
            and not inside[0].startswith((".", "lake"))
            and path != Path(__file__).resolve()
        ):
            assert not forbidden.search(path.read_text()), path
