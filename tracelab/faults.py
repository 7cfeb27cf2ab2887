"""Places where tests end the process, or hold it up, to see what a crash or a slow disk at just that step does.

`TRACELAB_FAULT=merge-committed` ends it by SIGKILL at that place, `merge-removing:3` at the third time there, and
`segment-written@0.5` waits half a second there each time.
"""

from __future__ import annotations

import os
import signal
import time

_PLACE, _, _WAIT_S = os.environ.get("TRACELAB_FAULT", "").partition("@")
_NAME, _, _TIMES = _PLACE.partition(":")
_left = int(_TIMES or 1)


def fault_point(name: str) -> None:
    """A step after which a crash must do no harm."""
    global _left
    if name != _NAME:
        return
    if _WAIT_S:
        time.sleep(float(_WAIT_S))
        return
    _left -= 1
    if _left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
