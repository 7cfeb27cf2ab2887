"""Adjusted counts: how many spans one sampled span stands for.

OpenTelemetry's consistent probability sampling writes the rejection threshold into tracestate, `ot=th:HEX`: up to 14
hex digits, padded with zeros on the right to 56 bits. A span is kept with probability (2^56 - T) / 2^56, so it
stands for 2^56 / (2^56 - T). Source: OpenTelemetry specification, "TraceState: Probability Sampling".
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from tracelab.traceset import I64, TraceSet

_THRESHOLD = re.compile(r"(?:^|;)th:([^;]*)")


def adjusted_count(trace_state: str) -> float | None:
    """What a tracestate says; None without a threshold, ValueError where the threshold makes no sense."""
    for member in trace_state.split(","):
        vendor, _, value = member.strip().partition("=")
        found = _THRESHOLD.search(value) if vendor == "ot" else None
        if found:
            digits = found.group(1)
            if not re.fullmatch(r"[0-9a-f]{1,14}", digits):
                raise ValueError(digits)
            return 2.0**56 / (2**56 - int(digits.ljust(14, "0"), 16))
    return None


def adjusted_counts(traces: TraceSet) -> tuple[NDArray[np.float64], dict[str, I64]]:
    """([n] adjusted counts, rows by diagnostic): 1 where nothing is said."""
    counts = np.ones(len(traces))
    column = traces.table.column("trace_state")
    if column.null_count == len(column):
        return counts, {}
    encoded = column.combine_chunks().dictionary_encode(null_encoding="encode")
    by_code, sampled, bad = [], [], []
    for text in encoded.dictionary.to_pylist():
        try:
            count = adjusted_count(text or "")
            by_code.append(1.0 if count is None else count)
            sampled.append(count is not None)
            bad.append(False)
        except ValueError:
            by_code.append(1.0)
            sampled.append(False)
            bad.append(True)
    real = np.flatnonzero(~traces.is_placeholder)
    codes = encoded.indices.to_numpy(zero_copy_only=False)[traces.source_row[real]]
    counts[real] = np.array(by_code)[codes]
    return counts, {
        "sampled_spans": real[np.array(sampled)[codes]],
        "bad_thresholds": real[np.array(bad)[codes]],
    }
