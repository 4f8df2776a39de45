"""The demo: train on what happened first, replay the rest through every role, report.

Everything it does is what `assay up`, `assay train` and `assay replay` do, in one process tree.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from deploy.backtesting import collect
from deploy.config import RunSettings
from deploy.launch import role_commands, running_roles
from deploy.live_view import LiveView
from deploy.output import Output
from deploy.requests import request_training
from deploy.role_runtime import ROLES, cancel_on_signals
from deploy.scenario import Scenario
from deploy.state import StateDir
from deploy.supervisor import Supervisor
from deploy.tally import Tally
from deploy.watch import watching
from engine.replay import ReplayCounts, ReplayDriver
from streams.bus import Bus
from streams.errors import BusError

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
    tally = Tally(tuple(s.name for s in settings.strategies), scenario.from_ts)
    commands = role_commands(ROLES, config, assignments, url, state)
    collecting = asyncio.create_task(asyncio.to_thread(_collect, scenario, settings, state))
    try:
        async with (
            running_roles(commands, url, state, output.say) as (bus, supervisor),
            watching(bus, tally),
        ):
            output.say(await collecting)
            await _train(bus, supervisor, tally, settings, scenario)
            await _replay(bus, supervisor, tally, settings, scenario, output.console)
    finally:
        collecting.cancel()
        await asyncio.gather(collecting, return_exceptions=True)
    return tally


async def _guarded(supervisor: Supervisor, work: "asyncio.Task[None]") -> None:
    """Wait for `work`; give it up when a role cannot be kept alive."""
    watching_roles = asyncio.create_task(supervisor.watch())
    try:
        await asyncio.wait((work, watching_roles), return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            await watching_roles
        await work
    finally:
        for task in (work, watching_roles):
            task.cancel()
        await asyncio.gather(work, watching_roles, return_exceptions=True)


def _collect(scenario: Scenario, settings: RunSettings, state: StateDir) -> str:
    """Simulate the years before the replay into the feature database."""
    added = collect(scenario.training, settings, state)
    return f"{added} training samples from {len(scenario.training)} instants before the replay"


async def _train(
    bus: Bus,
    supervisor: Supervisor,
    tally: Tally,
    settings: RunSettings,
    scenario: Scenario,
) -> None:
    """Ask for a first model of every strategy and wait for the trainer's answers."""
    # A model takes effect `delay_days` after its request: then it is there when replay begins.
    ts = scenario.from_ts - int(settings.train.delay_days * DAY_NS)
    for strategy in settings.strategies:
        await request_training(bus, strategy.name, ts, "initial", REQUESTED_BY)
    work = asyncio.create_task(_answered(tally, [s.name for s in settings.strategies]))
    await _guarded(supervisor, work)


async def _answered(tally: Tally, strategies: Sequence[str]) -> None:
    try:
        async with asyncio.timeout(TRAINING_TIMEOUT_S):
            # The tally is filled by readers that know nothing of who waits.
            while not all(tally.strategies[name].deployments for name in strategies):  # noqa: ASYNC110
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        raise BusError(
            f"the trainer did not answer within {TRAINING_TIMEOUT_S:.0f} s: look at its log"
        ) from None


async def _replay(
    bus: Bus,
    supervisor: Supervisor,
    tally: Tally,
    settings: RunSettings,
    scenario: Scenario,
    console: Console,
) -> None:
    with LiveView(tally, len(scenario.replayed), console) as view:

        def on_instant(counts: ReplayCounts) -> None:
            view.update(counts.instants)

        driver = ReplayDriver(
            bus,
            roles=ROLES,
            delay_ns=int(settings.train.delay_days * DAY_NS),
            on_instant=on_instant,
        )

        async def drive() -> None:
            await driver.drive(scenario.replayed)
            # What the view reads runs a moment behind what the roles have written.
            await asyncio.sleep(SETTLE_S)

        await _guarded(supervisor, asyncio.create_task(drive()))
