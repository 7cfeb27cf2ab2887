"""What kind of failure a span reports."""

from __future__ import annotations

from tracelab.traceset import I64, TraceSet

OTHER = "_OTHER"  # OpenTelemetry's word for "failed, no more is known"
_COLUMNS = ("error_type", "exception_type", "http_status_code", "rpc_status")


def says_errors(traces: TraceSet) -> bool:
    """Whether any span says more of an error than that it is one."""
    return any(traces.table.column(name).null_count < traces.table.num_rows for name in _COLUMNS)


def error_types(traces: TraceSet, rows: I64) -> list[str | None]:
    """Per span: `error.type`, else the last exception's type, else the HTTP status, else the RPC status by name."""
    columns = [traces.values(column, rows) for column in _COLUMNS]
    return [
        error or exception or (str(http) if http and http >= 400 else None) or (rpc if rpc != "OK" else None)
        for error, exception, http, rpc in zip(*columns, strict=True)
    ]
