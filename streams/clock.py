"""Where time comes from: the only place below `deploy/` that may look at a wall clock."""

import time
from typing import Protocol


class Clock(Protocol):
    """A source of the present, in UTC nanoseconds since 1970."""

    def now_ns(self) -> int:
        """Return the present instant in UTC nanoseconds."""
        ...


class SystemClock:
    """The machine's clock, for shells: arrival headers, progress bars, timeouts."""

    def now_ns(self) -> int:
        """Return the machine's UTC time in nanoseconds."""
        return time.time_ns()


class ManualClock:
    """A clock that moves only when told to, for tests and simulations.

    >>> clock = ManualClock(start_ns=5)
    >>> clock.advance(10)
    >>> clock.now_ns()
    15
    """

    def __init__(self, start_ns: int = 0) -> None:
        self._now_ns = start_ns

    def now_ns(self) -> int:
        """Return the instant last set, in nanoseconds."""
        return self._now_ns

    def advance(self, by_ns: int) -> None:
        """Move forward by `by_ns` nanoseconds; a negative step raises ValueError."""
        if by_ns < 0:
            raise ValueError(f"by_ns must be >= 0, was {by_ns}: time does not go backwards")
        self._now_ns += by_ns
