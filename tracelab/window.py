"""A window of time. A call belongs to it by its start, so tables of neighbouring windows add up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # numpy is not needed to make a window, and the command line makes one first of all
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Window:
    """Half-open [since_ns, until_ns) in ns since the epoch; None is open."""

    since_ns: int | None = None
    until_ns: int | None = None

    def holds(self, start_ns: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of these starts are inside."""
        inside: NDArray[np.bool_] = start_ns >= -(2**63)
        if self.since_ns is not None:
            inside &= start_ns >= self.since_ns
        if self.until_ns is not None:
            inside &= start_ns < self.until_ns
        return inside

    def holds_all(self, first_ns: int, last_ns: int) -> bool:
        """Whether all starts from `first_ns` to `last_ns`, that one too, are inside."""
        return (self.since_ns is None or first_ns >= self.since_ns) and (
            self.until_ns is None or last_ns < self.until_ns
        )

    def touches(self, first_ns: int, last_ns: int) -> bool:
        """Whether one of them may be."""
        return (self.since_ns is None or last_ns >= self.since_ns) and (
            self.until_ns is None or first_ns < self.until_ns
        )

    def hull(self, other: Window) -> Window:
        """The window from the start of the first to the end of the last."""
        starts, ends = (self.since_ns, other.since_ns), (self.until_ns, other.until_ns)
        return Window(
            None if None in starts else min(start for start in starts if start is not None),
            None if None in ends else max(end for end in ends if end is not None),
        )


EVERYTHING = Window()
