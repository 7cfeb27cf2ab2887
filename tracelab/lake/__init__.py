"""The lake of spans: where everything is kept and every answer is read from."""

from tracelab.lake.compact import compact
from tracelab.lake.lake import Lake, default_lake_path

__all__ = ["Lake", "compact", "default_lake_path"]
