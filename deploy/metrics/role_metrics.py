"""The figures of one role's process, from its start to its end."""

import asyncio
import importlib.metadata
from collections.abc import Iterable
from types import TracebackType
from typing import Any, NamedTuple, Protocol, runtime_checkable

from deploy.metrics.exposition import Exposition
from deploy.metrics.health import Health
from deploy.metrics.metrics_server import MetricsServer
from engine.shells.meter import Meter
from engine.shells.outlet import Outlet
from engine.shells.reading import Reading, counter, gauge, info
from streams.clock import SystemClock
from streams.nats_bus import NatsBus
from streams.waiting import end_tasks

DISTRIBUTION = "assay-signals"


class MetricsPlace(NamedTuple):
    """Where the figures are told; port 0: any that is free."""

    host: str
    port: int


@runtime_checkable
class Measured(Protocol):
    """A role that has something to tell."""

    async def readings(self) -> list[Reading]:
        """Return its figures of this moment."""
        ...


class RoleMetrics:
    """Tells the figures of a role at `place`, as an async context manager; ConfigError where not.

    `strategies` are those whose names are told.
    """

    def __init__(
        self, place: MetricsPlace, role: str, shard: int, strategies: Iterable[str]
    ) -> None:
        self.meter = Meter(strategies, SystemClock())
        self._health = Health()
        self._place = place
        self._labels = {"role": role, "shard": str(shard)}
        self._bus: NatsBus | None = None
        self._outlet: Outlet | None = None
        self._role: Any = None
        self._server: MetricsServer | None = None
        self._beating: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Where the figures are read; "" before they are told."""
        return "" if self._server is None else self._server.url

    async def __aenter__(self) -> "RoleMetrics":
        self._server = MetricsServer(
            *self._place, self._health, Exposition(self._labels), self._collect
        )
        self._server.__enter__()
        self._beating = asyncio.create_task(self._health.beat())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.__exit__(kind, error, trace)
        if self._beating is not None:
            await end_tasks([self._beating])

    def note_bus(self, bus: NatsBus) -> None:
        """Tell of this connection from now on."""
        self._bus = bus
        self._health.is_connected = lambda: bus.connected

    def note_role(self, role: object, outlet: Outlet | None) -> None:
        """Tell of this role from now on."""
        self._role, self._outlet = role, outlet

    def note_ready(self) -> None:
        """Note that the role works."""
        self._health.note_ready()

    async def _collect(self) -> list[Reading]:
        found = [
            info(
                "build", "The version that runs.", version=importlib.metadata.version(DISTRIBUTION)
            ),
            gauge("ready", "Whether the role works and its bus answers.", self._readiness()),
        ]
        if self._bus is not None:
            meaning = "Connections to the bus made again."
            found.append(counter("bus_reconnects", meaning, self._bus.reconnects))
        is_active = getattr(self._outlet, "is_active", None)
        if is_active is not None:
            meaning = "Whether this one of two scorers publishes."
            found.append(gauge("publishing", meaning, float(is_active)))
        if isinstance(self._role, Measured):
            found += await self._role.readings()
        return found

    def _readiness(self) -> float:
        return 0.0 if self._health.why_not_ready() else 1.0
