"""The monitor that stays: a picture every few seconds, whatever becomes of the broker."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from deploy.config import RunSettings
from deploy.connection import connect
from deploy.monitor.monitor_view import picture_view
from deploy.monitor.monitoring import Monitoring
from deploy.monitor.picture import Picture
from deploy.state import StateDir
from streams.errors import BusError, ConfigError

REFRESH_S = 2.0
RETRY_S = 2.0
PICTURE_S = 15.0
"""How long the broker may take to answer all that one picture asks."""


async def picture_of(url: str, settings: RunSettings, state: StateDir, only: str | None) -> Picture:
    """Return one picture of the broker at `url`.

    Raises BrokerError when none answers there, ConfigError for a strategy of which nobody knows.
    """
    async with monitoring(url, settings, state, only) as one:
        await one.check_known()
        return await one.picture()


@asynccontextmanager
async def monitoring(
    url: str, settings: RunSettings, state: StateDir, only: str | None
) -> AsyncIterator[Monitoring]:
    """Yield what follows the broker at `url`; raises BusError when it cannot."""
    bus = await connect(url, "assay-monitor")
    try:
        one = Monitoring(bus, url, settings, state, only)
        try:
            await one.open()
            yield one
        finally:
            await one.close()
    finally:
        await bus.close()


class LiveMonitor:
    """Draws on `console` until `stop` is set; `find_url` says where the broker is by now.

    A broker that is gone is said to be, over the last picture, and is looked for again.
    """

    def __init__(
        self,
        console: Console,
        find_url: Callable[[], str],
        settings: RunSettings,
        state: StateDir,
        only: str | None,
    ) -> None:
        self._console = console
        self._find_url = find_url
        self._settings = settings
        self._state_dir = state
        self._only = only
        self._picture: Picture | None = None
        self._trouble = ""

    async def run(self, stop: asyncio.Event) -> None:
        """Draw until told to stop."""
        with Live(
            self.render(),
            console=self._console,
            screen=True,
            auto_refresh=False,
            vertical_overflow="crop",
        ) as live:
            ending = asyncio.create_task(stop.wait())
            following = asyncio.create_task(self._follow(live))
            try:
                await asyncio.wait((ending, following), return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (ending, following):
                    task.cancel()
                results = await asyncio.gather(ending, following, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result

    def render(self) -> RenderableType:
        """Return what is to be seen now."""
        console = self._console
        trouble = [Text(self._trouble, "bold red")] if self._trouble else []
        if self._picture is None:
            return Group(*(trouble or [Text("looking at the broker…", "dim")]))
        view = picture_view(
            self._picture,
            width=console.width,
            height=console.height - 1 - len(trouble),
            ascii_only=console.options.ascii_only,
        )
        return Group(*trouble, view)

    async def _follow(self, live: Live) -> None:
        while True:
            try:
                await self._follow_one(live)
            except (BusError, ConfigError, TimeoutError) as error:
                words = str(error) or f"no answer within {PICTURE_S:.0f} s"
                self._trouble = f"the broker does not answer, trying again: {words}"
            live.update(self.render(), refresh=True)
            await asyncio.sleep(RETRY_S)

    async def _follow_one(self, live: Live) -> None:
        url = self._find_url()
        async with monitoring(url, self._settings, self._state_dir, self._only) as one:
            while True:
                async with asyncio.timeout(PICTURE_S):
                    self._picture = await one.picture()
                self._trouble = ""
                live.update(self.render(), refresh=True)
                await asyncio.sleep(REFRESH_S)
