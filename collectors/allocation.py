"""Memory of a collector: the same few megabytes again and again, so they are kept rather than given back and fetched.

Giving pages back after each commit, and having the kernel clear new ones for the next, was a fifth of a commit's cost.
"""

from __future__ import annotations

import ctypes
import os
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # glibc's malloc.h
_KEEP_BYTES = 64 * 2**20
_FROM_HEAP_BYTES = 32 * 2**20  # the most that glibc takes


def keep_memory() -> None:
    """To be called before numpy and Arrow are loaded; without effect where the C library is not glibc."""
    # Sparse arrays on huge pages would cost two megabytes of zeros each.
    os.environ.setdefault("NUMPY_MADVISE_HUGEPAGE", "0")
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    if sys.platform == "linux":
        tune = getattr(ctypes.CDLL(None), "mallopt", None)
        if tune is not None:
            tune(_M_MMAP_THRESHOLD, _FROM_HEAP_BYTES)
            tune(_M_TRIM_THRESHOLD, _KEEP_BYTES)
