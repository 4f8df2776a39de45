"""Whether a role lives and is ready, as another thread may ask."""

import asyncio
import time
from collections.abc import Callable

BEAT_S = 0.5
LOOP_SILENT_MAX_S = 15.0
"""Longer than a large snapshot holds a role up; a loop that does not turn for that long hangs."""


class Health:
    """Beats with the event loop of a role; `is_connected` says whether its bus answers."""

    def __init__(self, silent_max_s: float = LOOP_SILENT_MAX_S) -> None:
        self.is_connected: Callable[[], bool] = lambda: False
        self._silent_max_s = silent_max_s
        self._is_up = False
        self._beat_at = time.monotonic()

    def note_ready(self) -> None:
        """Note that the role works."""
        self._is_up = True

    async def beat(self) -> None:
        """Show that the loop turns, until cancelled."""
        while True:
            self._beat_at = time.monotonic()
            await asyncio.sleep(BEAT_S)

    def why_not_live(self) -> str:
        """Return why the role does not live, "" where it does."""
        silent_s = time.monotonic() - self._beat_at
        if silent_s <= self._silent_max_s:
            return ""
        return f"the event loop has not turned for {silent_s:.1f} s"

    def why_not_ready(self) -> str:
        """Return why the role is not ready, "" where it is."""
        if why := self.why_not_live():
            return why
        if not self._is_up:
            return "starting"
        return "" if self.is_connected() else "the bus does not answer"
