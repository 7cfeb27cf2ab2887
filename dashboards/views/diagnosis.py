"""A diagnosis as blocks for the panel."""

from __future__ import annotations

from typing import Any

import tracelab
from dashboards.views.common import trace_link
from tracelab import KINDS


def diagnosis_blocks(found: tracelab.Diagnosis) -> list[dict[str, Any]]:
    """The causes, the most likely first, with evidence and examples."""
    sub = f"{found.now_traces:,} traces against {found.base_traces:,} before, {found.signals:,} figures looked at"
    if not found.causes:
        return [{"type": "title", "text": "Nothing stands out", "sub": sub}]
    blocks: list[dict[str, Any]] = [{"type": "title", "text": "Most likely causes", "sub": sub}]
    for number, cause in enumerate(found.causes[:4], 1):
        blocks.append({"type": "heading", "text": f"{number}. {tracelab.where_text(cause)}"})
        blocks.append({"type": "text", "text": f"{KINDS[cause.kind]}; score {cause.score:.2f}"})
        rows = [
            [part.what, tracelab.figure_text(part.before, part.unit), tracelab.figure_text(part.after, part.unit)]
            for part in cause.evidence[:4]
        ]
        blocks.append(
            {
                "type": "table",
                "columns": ["evidence", "before", "now"],
                "right": ["before", "now"],
                "rows": rows,
                "wrap": True,
            }
        )
        pairs: list[list[Any]] = [["since", {"time_ms": cause.since_ns / 1e6, "short": True}]]
        if cause.attributes:
            pairs.append(["sets them apart", ", ".join(f"{key}={value}" for key, value in cause.attributes)])
        pairs.append(["if it is so", cause.expect])
        blocks.append({"type": "pairs", "items": pairs})
        if cause.evidence and cause.evidence[0].traces:
            blocks.append(
                {"type": "links", "items": [trace_link(id_, f"trace {id_[:16]}") for id_ in cause.evidence[0].traces]}
            )
    return blocks
