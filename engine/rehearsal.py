"""A rehearsal keeps the way of an answer warm while signals come now and then.

A processor that has done something else for a few milliseconds finds neither code nor data of the
next answer near, and the same steps take several times as long. So while signals flow, but
seldom, the last answer is made once more every REHEARSE_EVERY_S and thrown away. Nothing is
rehearsed when nothing has come for REHEARSE_FOR_S, nor when answers follow each other anyway.
"""

import asyncio
from collections.abc import Callable

REHEARSE_EVERY_S = 0.001
REHEARSE_FOR_S = 1.0


class Rehearsal:
    """Calls `rehearse`, which must leave no trace, between signals that come now and then."""

    def __init__(self, rehearse: Callable[[], None]) -> None:
        self._rehearse = rehearse
        self._timer: asyncio.TimerHandle | None = None
        self._last_at = 0.0
        self._has_answered = False

    def note(self) -> None:
        """Tell that a signal has just been answered."""
        self._has_answered = True
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._last_at = loop.time()
            self._timer = loop.call_later(REHEARSE_EVERY_S, self._tick, loop)

    def close(self) -> None:
        """Rehearse no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        if self._has_answered:
            self._has_answered = False
            self._last_at = now
        elif now - self._last_at > REHEARSE_FOR_S:
            self._timer = None
            return
        else:
            self._rehearse()
        self._timer = loop.call_later(REHEARSE_EVERY_S, self._tick, loop)
