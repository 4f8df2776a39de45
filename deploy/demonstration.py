"""The demo: train on what happened first, replay the rest through every role, report.

Everything it does is what `assay up`, `assay train` and `assay replay` do, in one process tree.
"""

import asyncio
import os
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from rich.console import Console

from deploy.config import RunSettings
from deploy.connection import connect
from deploy.launch import role_commands, running_roles
from deploy.live_view import LiveView
from deploy.output import Output
from deploy.overrides import without_secrets
from deploy.requests import request_training
from deploy.research.backtesting import collect
from deploy.role_runtime import ROLES, cancel_on_signals
from deploy.scenario import Instant, Scenario
from deploy.state import StateDir
from deploy.supervisor import Supervisor
from deploy.tally import Tally
from deploy.watch import watching
from engine.replays.replay import ReplayCounts, ReplayDriver
from streams import topology
from streams.errors import BusError, ConfigError
from streams.nats_bus import NatsBus
from streams.provision import provision
from streams.waiting import end_tasks

TRAINING_TIMEOUT_S = 300.0
POLL_S = 0.05
SETTLE_S = 0.6
DAY_NS = 86_400_000_000_000
REQUESTED_BY = "demo"


async def demonstrate(
    scenario: Scenario,
    settings: RunSettings,
    config: Path,
    assignments: Sequence[str],
    url: str,
    state: StateDir,
    output: Output,
) -> Tally:
    """Run `scenario` over the broker at `url` and return what was counted."""
    cancel_on_signals()
    await _require_empty(url)
    tally = Tally(tuple(s.name for s in settings.strategies), scenario.from_ts)
    shown, hidden = without_secrets(assignments)
    os.environ.update(hidden)
    commands = role_commands(ROLES, config, shown, url, state)
    collecting = asyncio.create_task(asyncio.to_thread(_collect, scenario, settings, state))
    try:
        async with (
            running_roles(commands, url, state, output.say) as (bus, supervisor),
            watching(bus, tally),
        ):
            output.say(await collecting)
            # A model takes effect `delay_days` after its request: then it is there when the
            # replay begins.
            delay_ns = int(settings.train.delay_days * DAY_NS)
            await _train(bus, supervisor, settings, scenario.from_ts - delay_ns, "initial")
            await _replay(bus, supervisor, tally, settings, scenario, output.console)
    finally:
        collecting.cancel()
        await asyncio.gather(collecting, return_exceptions=True)
    return tally


async def _require_empty(url: str) -> None:
    """Raise ConfigError where the broker holds history: the report would mix it in."""
    bus = await connect(url, "assay-demo")
    try:
        await provision(bus.jetstream)
        count = await bus.last_seq(topology.INPUT)
    finally:
        await bus.close()
    if count:
        raise ConfigError(
            f"assay demo needs a broker without history, and INPUT at {url} has held {count} "
            "messages: choose another --state-dir, or none"
        )


async def _guarded(supervisor: Supervisor, work: "asyncio.Task[Any]") -> None:
    """Wait for `work`; give it up when a role cannot be kept alive."""
    watching_roles = asyncio.create_task(supervisor.watch())
    try:
        await asyncio.wait((work, watching_roles), return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            await watching_roles
        await work
    finally:
        await end_tasks((work, watching_roles))


def _collect(scenario: Scenario, settings: RunSettings, state: StateDir) -> str:
    """Simulate the years before the replay into the feature database."""
    added = collect(scenario.training, settings, state)
    return f"{added} training samples from {len(scenario.training)} instants before the replay"


async def _train(
    bus: NatsBus,
    supervisor: Supervisor,
    settings: RunSettings,
    ts: int,
    reason: str,
) -> None:
    """Ask for a model of every strategy as of event time `ts` and wait for the answers."""

    async def ask() -> None:
        for strategy in settings.strategies:
            await request_training(bus, strategy.name, ts, reason, REQUESTED_BY)
        await _all_answered(bus)

    await _guarded(supervisor, asyncio.create_task(ask()))


async def _all_answered(bus: NatsBus) -> None:
    """Return when the queue of requests is empty: a request leaves it when it is carried out."""
    try:
        async with asyncio.timeout(TRAINING_TIMEOUT_S):
            # The server tells nobody that a queue has run empty.
            while (await bus.jetstream.stream_state(topology.RETRAIN)).messages:  # noqa: ASYNC110
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        raise BusError(
            f"the trainer did not answer within {TRAINING_TIMEOUT_S:.0f} s: look at its log"
        ) from None


async def _replay(
    bus: NatsBus,
    supervisor: Supervisor,
    tally: Tally,
    settings: RunSettings,
    scenario: Scenario,
    console: Console,
) -> None:
    done = 0
    with LiveView(tally, len(scenario.replayed), console) as view:
        for part, retrain_ts in _parts(scenario):
            driver = ReplayDriver(
                bus,
                roles=ROLES,
                run_id=uuid4().hex,
                delay_ns=int(settings.train.delay_days * DAY_NS),
                on_instant=partial(_show, view, done),
            )
            await _guarded(supervisor, asyncio.create_task(driver.drive(part)))
            done += len(part)
            if retrain_ts is not None:
                await _train(bus, supervisor, settings, retrain_ts, "scheduled")
        # What the view reads runs a moment behind what the roles have written.
        await asyncio.sleep(SETTLE_S)


def _show(view: LiveView, before: int, counts: ReplayCounts) -> None:
    view.update(before + counts.instants)


def _parts(scenario: Scenario) -> Iterator[tuple[Sequence[Instant], int | None]]:
    """Cut the replay at its scheduled retrains; the last part has none behind it.

    A retrain that would come after the last instant is not due.
    """
    begin = 0
    for retrain_ts in scenario.retrain_ts:
        end = bisect_left(scenario.replayed, retrain_ts, key=lambda instant: instant[0].ts)
        if begin < end < len(scenario.replayed):
            yield scenario.replayed[begin:end], retrain_ts
            begin = end
    yield scenario.replayed[begin:], None
