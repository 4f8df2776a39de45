"""The process around one role: event loop, signals, log, ready line, bus.

Light on purpose: what a role needs is imported by its wiring file alone.
"""

import asyncio
import contextlib
import importlib
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass, replace
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from uuid import uuid4

from deploy import footprint
from deploy.config import RunSettings
from deploy.connection import connect
from deploy.role_process import METRICS_WORD, READY_PREFIX
from deploy.state import StateDir
from engine.shells.meter import Meter
from engine.shells.outlet import Outlet
from streams.bus import Bus
from streams.errors import AssayError, ConfigError
from streams.subjects import SHARDS, shard_of
from streams.waiting import end_tasks

if TYPE_CHECKING:
    from deploy.metrics.role_metrics import RoleMetrics

ROLES = ("strategies", "scorer", "labeller", "drift", "trainer")
SHARDED_ROLE = "scorer"
METRICS_HOST = "127.0.0.1"
NATS_VARIABLE = "ASSAY_NATS"
"""Where a process looks for the URL of its server that is not among its arguments."""

PORT_MAX = 65_535
NICENESS = {"trainer": 5}
"""A storm of requests keeps the trainer busy: it steps back behind those that answer signals."""

SCIPY_ROLES = frozenset({"drift", "trainer"})
"""Their libraries need scipy; in the other roles nobody may use it."""

ORPHAN_GRACE_S = 5.0
CONNECT_TIMEOUT_S = 30.0
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)

T = TypeVar("T")

log = logging.getLogger("assay.role")


@dataclass(frozen=True, slots=True)
class RoleContext:
    """What a wiring file builds its role from."""

    settings: RunSettings
    state: StateDir
    bus: Bus
    shard: int
    shards: int
    on_ready: Callable[[], None]
    outlet: Outlet | None = None
    meter: Meter | None = None

    def owns(self, symbol: str) -> bool:
        """Whether this shard answers for `symbol`."""
        return shard_of(symbol) * self.shards // SHARDS == self.shard

    def require_one_shard(self) -> None:
        """Raise ConfigError when a role that is not sharded was asked to be."""
        if self.shards != 1:
            raise ConfigError(
                f"--shards must be 1 for every role but {SHARDED_ROLE}, was {self.shards}"
            )


class Role(Protocol):
    """What a wiring file builds."""

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set."""
        ...


def run_role(
    role: str,
    settings: RunSettings,
    state: StateDir,
    url: str,
    *,
    shard: int = 0,
    shards: int = 1,
    standby: bool = False,
    follows_parent: bool = False,
    metrics: tuple[str, int] | None = None,
) -> None:
    """Run one role until SIGTERM, Ctrl-C, or, with `follows_parent`, the parent's end.

    With `standby` it is one of two processes of its shard: see `engine.shells.standby`. Its
    figures are told at `metrics`, host and port, where that is given: see `deploy.metrics`.
    """
    check_role(role)
    if not 0 <= shard < shards:
        raise ConfigError(f"--shard must be in 0..{shards - 1}, was {shard}")
    if standby and role != SHARDED_ROLE:
        raise ConfigError(f"--standby is for {SHARDED_ROLE}, was given for {role}")
    name = process_name(role, shard, shards)
    _log_to_stderr(name)
    footprint.prepare()
    if role in NICENESS and hasattr(os, "nice"):
        os.nice(NICENESS[role])
    wiring = load_wiring(role)

    async def main() -> None:
        stop = asyncio.Event()
        stop_on_signals(stop)
        if follows_parent:
            _follow_parent(stop)
        async with _told(metrics, role, shard, settings) as told:
            await work(told, stop)

    async def work(told: "RoleMetrics | None", stop: asyncio.Event) -> None:
        bus = await connect(url, f"assay-{role}-{shard}", CONNECT_TIMEOUT_S)
        trimming = asyncio.create_task(footprint.keep_trimmed())
        try:
            context = RoleContext(settings, state, bus, shard, shards, lambda: say_ready(name))
            build: Callable[[RoleContext], Role] = wiring.build
            if told is not None:
                told.note_bus(bus)
                build, context = _telling(told, build), _told_of(told, context, name)
            run = _run_paired if standby else _run_alone
            await _run_logged(run(build, context, stop))
        finally:
            await end_tasks([trimming])
            await bus.close()

    run_loop(main())


@contextlib.asynccontextmanager
async def _told(
    metrics: tuple[str, int] | None, role: str, shard: int, settings: RunSettings
) -> AsyncIterator["RoleMetrics | None"]:
    """Yield what tells of the role, where it is to be told of."""
    if metrics is None:
        yield None
        return
    from deploy.metrics.role_metrics import MetricsPlace, RoleMetrics

    names = [strategy.name for strategy in settings.strategies]
    async with RoleMetrics(MetricsPlace(*metrics), role, shard, names) as told:
        log.info("metrics at %s", told.url)
        yield told


def _telling(
    told: "RoleMetrics", build: Callable[[RoleContext], Role]
) -> Callable[[RoleContext], Role]:
    def built(context: RoleContext) -> Role:
        role = build(context)
        told.note_role(role, context.outlet)
        return role

    return built


def _told_of(told: "RoleMetrics", context: RoleContext, name: str) -> RoleContext:
    def on_ready() -> None:
        told.note_ready()
        say_ready(name, told.url)

    return replace(context, meter=told.meter, on_ready=on_ready)


def process_name(role: str, shard: int, shards: int) -> str:
    """Return what a role's process is called: the role, with its shard where there are several.

    >>> process_name("scorer", 0, 1), process_name("scorer", 3, 4)
    ('scorer', 'scorer-3')
    """
    return role if shards == 1 else f"{role}-{shard}"


def metrics_at(host: str, port: int | None, processes: int = 1) -> tuple[str, int] | None:
    """Return where metrics are told, None where they are not; raises ConfigError for no port.

    `processes` need a port each, from `port` on.
    """
    if port is None:
        return None
    highest = PORT_MAX - processes + 1
    if not 0 <= port <= highest:
        raise ConfigError(
            f"--metrics-port must be in 0..{highest} for {processes} processes, was {port}; "
            "0 is any free one"
        )
    return host, port


def check_role(role: str) -> None:
    """Raise ConfigError unless there is such a role."""
    if role not in ROLES:
        raise ConfigError(f"role must be one of {', '.join(ROLES)}, was {role!r}")


def load_wiring(role: str) -> ModuleType:
    """Import a role's wiring file, and with it all that the role needs."""
    if role not in SCIPY_ROLES:
        footprint.leave_out_scipy()
    return importlib.import_module(f"deploy.wiring.{role}")


async def _run_alone(
    build: Callable[[RoleContext], Role], context: RoleContext, stop: asyncio.Event
) -> None:
    await build(context).run(stop)


async def _run_paired(
    build: Callable[[RoleContext], Role], context: RoleContext, stop: asyncio.Event
) -> None:
    from engine.shells.lease import Lease
    from engine.shells.standby import Standby

    shard, shards = context.shard, context.shards
    # A name of this process alone: a restarted one is another holder.
    holder = f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex}"
    lease = Lease(context.bus, f"{SHARDED_ROLE}.{shard}.of.{shards}", holder)
    outlet = Standby(context.bus, lease, shard=shard, shards=shards)
    await outlet.run(build(replace(context, outlet=outlet)).run, stop)


async def _run_logged(running: Awaitable[None]) -> None:
    try:
        await running
    except AssayError:
        raise
    except Exception:
        # Whoever starts a role reads its log, not its terminal.
        log.exception("a defect ended this role")
        raise


def say_ready(role: str, metrics_url: str = "") -> None:
    """Tell whoever started this process that the role works; let go of what that took."""
    metrics = f" {METRICS_WORD}{metrics_url}" if metrics_url else ""
    sys.stdout.write(f"{READY_PREFIX}{role} pid={os.getpid()}{metrics}\n")
    sys.stdout.flush()
    footprint.settle()


def run_loop(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on the fastest event loop there is, and return its result."""
    with asyncio.Runner(loop_factory=_new_loop) as runner:
        try:
            return runner.run(main)
        except asyncio.CancelledError:
            # A command is cancelled by a signal only (`cancel_on_signals`).
            raise KeyboardInterrupt from None


def stop_on_signals(stop: asyncio.Event) -> None:
    """Set `stop` on Ctrl-C and SIGTERM."""
    loop = asyncio.get_running_loop()
    for number in STOP_SIGNALS:
        # Windows has no loop signal handlers; there Ctrl-C raises KeyboardInterrupt.
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, stop.set)


def cancel_on_signals() -> None:
    """Cancel the current task on the first Ctrl-C or SIGTERM; later ones change nothing."""
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()

    def cancel() -> None:
        for number in STOP_SIGNALS:
            loop.add_signal_handler(number, lambda: None)
        task.cancel()

    for number in STOP_SIGNALS:
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, cancel)


def _follow_parent(stop: asyncio.Event) -> None:
    """Stop when standard input closes: the parent holds its other end and has ended."""
    loop = asyncio.get_running_loop()

    def watch() -> None:
        with contextlib.suppress(OSError, ValueError):
            while os.read(0, 4096):
                pass
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(stop.set)
        # A role that cannot say goodbye (its broker is gone too) must not outlive its parent.
        time.sleep(ORPHAN_GRACE_S)
        os._exit(1)

    threading.Thread(target=watch, name="follow-parent", daemon=True).start()


def _new_loop() -> asyncio.AbstractEventLoop:
    if sys.platform == "win32":
        return asyncio.new_event_loop()
    import uvloop

    return uvloop.new_event_loop()


def _log_to_stderr(role: str) -> None:
    logging.basicConfig(
        level=os.environ.get("ASSAY_LOG", "INFO").upper(),
        format=f"%(asctime)s {role} %(levelname)s %(name)s %(message)s",
        stream=sys.stderr,
        force=True,
    )
