"""Places where tests end the process, to see what a crash at just that step leaves behind.

`TRACELAB_FAULT=merge-committed` ends it by SIGKILL at that place, `TRACELAB_FAULT=merge-removing:3` at the third time.
"""

from __future__ import annotations

import os
import signal

_NAME, _, _TIMES = os.environ.get("TRACELAB_FAULT", "").partition(":")
_left = int(_TIMES or 1)


def fault_point(name: str) -> None:
    """A step after which a crash must do no harm."""
    global _left
    if name == _NAME:
        _left -= 1
        if _left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
