"""`python -m demo_services NAME`: run one process of the shop."""

from __future__ import annotations

import importlib
import sys

from demo_services.processes import PROCESSES


def main() -> None:
    names = [process.name for process in PROCESSES] + ["load"]
    if len(sys.argv) < 2 or sys.argv[1] not in names:
        sys.exit(f"usage: python -m demo_services NAME, NAME being one of {', '.join(names)}")
    importlib.import_module(f"demo_services.{sys.argv.pop(1).replace('-', '_')}").main()


if __name__ == "__main__":
    main()
