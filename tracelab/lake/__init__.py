"""The lake: spans as immutable Parquet segments."""

from tracelab.lake.compact import compact
from tracelab.lake.keep import prune, verify
from tracelab.lake.lake import Lake, default_lake_path

__all__ = ["Lake", "compact", "default_lake_path", "prune", "verify"]
