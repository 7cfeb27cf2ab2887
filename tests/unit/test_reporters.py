"""Names from outside are data everywhere: no markup, no terminal escapes, no broken syntax."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from io import StringIO

import pytest
from rich.console import Console

from tests.support.builders import span, span_table
from tracelab.adjusters import assemble
from tracelab.analysis.critical_path import critical_paths
from tracelab.analysis.service_graph import service_graph
from tracelab.reporters import graphs
from tracelab.reporters.terminal import clean, path_report, topology_table, trace_report

HOSTILE = [
    "[bold red]x[/]",
    "a\x1b[31mb",
    'q"]--> z',
    "</script><b>",
    "\u202eright to left",
    "new\nline",
    "x" * 5000,
    "日本語 🚀",
]


def _rendered(report: object) -> str:
    console = Console(file=StringIO(), width=200, force_terminal=True)
    console.print(report)
    return console.file.getvalue()  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names(name: str) -> None:
    traces = assemble(
        span_table(
            [span(1, None, 0, 90, name, name, kind="SERVER"), span(2, 1, 10, 20, name + "2", name, kind="SERVER")]
        )
    )
    paths, graph = critical_paths(traces), service_graph(traces)
    for report in (trace_report(paths), path_report(paths, [0]), topology_table(graph)):
        text = _rendered(report)
        assert "\x1b[31m" not in text
        assert "\u202e" not in text
        assert max(map(len, text.splitlines())) < 2000
    ET.fromstring(graphs.graphml(graph))  # noqa: S314  our own output
    assert graphs.dot(graph).count("->") == 2 or "->" in name
    mermaid = graphs.mermaid(graph)
    assert len(mermaid.splitlines()) == 1 + len(graph.nodes) + len(graph.edges)
    assert "<" not in mermaid


def test_markup_is_shown_as_text() -> None:
    assert "[bold red]" in _rendered(
        trace_report(critical_paths(assemble(span_table([span(1, None, 0, 9, "[bold red]x")]))))
    )


def test_clean_spells_out_what_it_does_not_show() -> None:
    assert clean("a\x1bb") == "a\\u001bb"
    assert len(clean("x" * 5000)) == 80
