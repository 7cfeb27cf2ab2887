"""How kernels are compiled: numba, cached on disk, without bounds checks or a global interpreter lock.

A kernel takes and gives arrays. Its docstring states the rule; tests hold it against a slow twin.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numba

_F = TypeVar("_F", bound=Callable[..., object])


def kernel(function: _F) -> _F:
    """Compile `function`, once per machine: the result is cached beside the source, or in NUMBA_CACHE_DIR."""
    compiled: _F = numba.njit(cache=True, nogil=True)(function)
    return compiled
