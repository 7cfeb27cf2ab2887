"""The command line as a person and a script meet it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.builders import span, span_table
from tests.support.golden import golden_cases, table_of
from tests.support.system import run, run_json
from tracelab.codecs.export import otlp_json_lines

MINUTE = 60 * 10**9


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Two requests, a minute apart, the second failed."""
    spans = []
    for at, begin in ((1, 1000 * MINUTE), (2, 1001 * MINUTE)):
        status = {"status_code": "ERROR"} if at == 2 else {}
        made = [
            span(1, None, begin, begin + 9000, "web", "get /", kind="SERVER"),
            span(2, 1, begin + 1000, begin + 8000, "web", "call", kind="CLIENT", **status),
            span(3, 2, begin + 2000, begin + 7000, "api", "list", kind="SERVER", **status),
        ]
        spans += [{**node, "trace_id": f"{at:032x}"} for node in made]
    path = tmp_path / "two.jsonl"
    path.write_bytes(b"".join(otlp_json_lines(span_table(spans))))
    return path


def test_a_window_takes_calls_by_their_start(file: Path, tmp_path: Path) -> None:
    run("import", file, "--lake", tmp_path / "lake")
    for where in ([file], ["--lake", tmp_path / "lake"]):
        first = run_json("topology", *where, "--until", str(1001 * MINUTE))
        second = run_json("topology", *where, "--since", str(1001 * MINUTE))
        assert [(edge["calls"], edge["failed"]) for edge in first["edges"]] == [(1, 0), (1, 0)]
        assert [(edge["calls"], edge["failed"]) for edge in second["edges"]] == [(1, 0), (1, 1)]
        assert second["window"] == {"since_ns": 1001 * MINUTE, "until_ns": None}


def test_searches(file: Path) -> None:
    assert len(run_json("traces", file)["traces"]) == 2
    assert [trace["trace_id"] for trace in run_json("traces", file, "--failed")["traces"]] == [f"{2:032x}"]
    assert run_json("traces", file, "--service", "db")["traces"] == []
    assert run_json("traces", file, "--min-duration", "10us")["traces"] == []
    assert run_json("traces", file, "--limit", 1)["total"] == 2


def test_service_filter_keeps_its_edges(file: Path) -> None:
    edges = run_json("topology", file, "--service", "api")["edges"]
    assert [(edge["client"], edge["server"]) for edge in edges] == [("web", "api")]


def test_critical_path_shape(file: Path) -> None:
    entry = run_json("critical-path", file)["traces"][0]
    assert set(entry) == {"trace_id", "root_span_id", "duration_ns", "incomplete", "sections"}
    assert [(s["name"], s["end_ns"] - s["start_ns"]) for s in entry["sections"]] == [
        ("get /", 1000), ("call", 1000), ("list", 5000), ("call", 1000), ("get /", 1000),
    ]  # fmt: skip


@pytest.mark.parametrize("form", ["--dot", "--mermaid", "--graphml"])
def test_graphs_for_other_tools(file: Path, form: str) -> None:
    text = run("topology", file, form).stdout
    assert "web" in text
    assert "api" in text


def test_jaeger_export_is_read_back(file: Path, tmp_path: Path) -> None:
    exported = run("export", file, "--format", "jaeger").stdout
    again = tmp_path / "jaeger.json"
    again.write_text(exported)
    assert run_json("topology", again)["edges"] == run_json("topology", file)["edges"]
    assert len(json.loads(run("export", file, "--format", "jaeger", "--trace", f"{2:032x}").stdout)["data"]) == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["topology", "--lake", "/nonexistent/lake"], "tracelab demo"),
        (["critical-path", "/nonexistent.json"], "no such file"),
        (["topology", "--since", "yesterday"], "15m"),
        (["topology", "--since", "1m", "--until", "2m"], "--since must be before --until"),
        (["traces", "--attribute", "x"], "KEY=VALUE"),
        (["trace", "ffff"], "ffff"),
    ],
)
def test_errors_say_what_and_what_next(file: Path, arguments: list[str], told: str) -> None:
    needs_file = arguments[0] in ("traces", "trace") or "--until" in arguments
    done = run(*arguments, *([file] if needs_file else []), check=False)
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_an_export_does_not_write_over_a_file(file: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    run("export", file, "--output", target)
    assert "--force" in run("export", file, "--output", target, check=False).stderr
    run("export", file, "--output", target, "--force")


def test_the_worked_example_in_the_terminal(tmp_path: Path) -> None:
    """54 ms: Gateway 2, Frontend 15, API 25, DB 12; the path goes User, Gateway, Frontend, API, DB."""
    cases = [case for case in golden_cases("cases.json") if case["name"] == "journey-54ms-nested"]
    if not cases:
        pytest.skip("no golden cases at ../shared/golden")
    path = tmp_path / "abc-123.json"
    path.write_bytes(b"".join(otlp_json_lines(table_of(cases[0]))))
    text = run("critical-path", path).stdout
    assert "user → gateway → frontend → api → db" in text
    assert "54.0 ms" in text
    for service, figure in (("gateway", "2.00 ms"), ("frontend", "15.0 ms"), ("api", "25.0 ms"), ("db", "12.0 ms")):
        assert any(line.split()[:3] == [service, *figure.split()] for line in text.splitlines())
    tree = run("trace", "0", path).stdout
    for name in ("Auth", "Template", "validation", "business logic", "DB query"):
        assert f"● {'frontend' if name in ('Auth', 'Template') else 'api'}  {name}" in tree


def test_a_reversed_span_is_counted_once(tmp_path: Path) -> None:
    path = tmp_path / "reversed.jsonl"
    path.write_bytes(b"".join(otlp_json_lines(span_table([span(1, None, 20, 10, kind="SERVER")]))))
    assert run_json("critical-path", path)["diagnostics"] == {"end_before_start": 1}
    assert run_json("import", path, "--lake", tmp_path / "lake")["diagnostics"] == {"end_before_start": 1}
    assert run_json("topology", "--lake", tmp_path / "lake")["diagnostics"] == {"end_before_start": 1}
