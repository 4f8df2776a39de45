"""What `assay learn` does to a broker: the live loop's own steps, one after the other.

The same cores ask and decide, under the same ids, by the same ledger. Whoever is killed at any
point leaves a snapshot, a queue and a ledger from which the next run, or a role, goes on.
"""

from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec

from deploy.config import RunSettings
from deploy.connection import connect
from deploy.learning.answering import Answered, Answering, answered_of
from deploy.learning.drift_check import Checked, check_drift
from deploy.learning.learning_status import LearningStatus, status_of
from deploy.learning.needs import FORCED, ask, max_ages, needs_of
from deploy.learning.standing_drift import StandingDrift, standing_drifts
from deploy.operations.auditing import record
from deploy.operations.known_strategies import check_configured
from deploy.operations.model_shelf import aged, model_lines
from deploy.operations.operations import finish_left
from deploy.operations.operator import Operator
from deploy.operations.recorded import newest_event_ts
from deploy.role_runtime import cancel_on_signals, run_loop
from deploy.state import StateDir
from deploy.survey import role_lines
from engine.settings import StrategySettings
from streams.clock import SystemClock
from streams.errors import BusError, ConfigError
from streams.events import Audit, Retrain
from streams.nats_bus import NatsBus
from streams.provision import provision
from trainers.database.feature_database import FeatureDatabase
from trainers.retraining.ledger import Ledger

LABELLER = "labeller"
ASKED = "retrain"
GOES_ON = "it goes on from there"


Place = tuple[str, RunSettings, StateDir, str | None]
"""URL of the broker, the run, its state directory, and the one strategy that is meant, or None."""

T = TypeVar("T")


class Site(NamedTuple):
    """Where the learning is done. `only` is the one strategy that is asked for and told of."""

    bus: NatsBus
    url: str
    settings: RunSettings
    state: StateDir
    only: str | None = None

    @property
    def strategies(self) -> list[StrategySettings]:
        """Those that are asked for and told of."""
        known = self.settings.strategies
        return [one for one in known if self.only in (None, one.name)]


def run_at(
    place: Place, work: Callable[[Site], Coroutine[Any, Any, T]], *, changes: bool = True
) -> T:
    """Return what `work` does at a place; a signal ends it in order.

    With `changes` the streams are made where they are not there yet. Raises ConfigError for a
    strategy that is not configured and, with `changes`, for another run's configuration;
    BrokerError where no server answers, BusError where it goes away.
    """
    url, settings, state, only = place
    if only is not None:
        check_configured(only, [one.name for one in settings.strategies])
    if changes:
        _check_own(url, settings, state)

    async def main() -> T:
        cancel_on_signals()
        bus = await connect(url, "assay-learn")
        try:
            if changes:
                await provision(bus.jetstream)
            return await work(Site(bus, url, settings, state, only))
        except BusError as error:
            if bus.connected:
                raise
            raise BusError(f"{error}; when the broker is back, run it again: {GOES_ON}") from error
        finally:
            await bus.close()

    return run_loop(main())


def _check_own(url: str, settings: RunSettings, state: StateDir) -> None:
    """Raise ConfigError where another configuration runs: its drift would be judged by this one."""
    configured, running = {one.name for one in settings.strategies}, set(state.read_strategies())
    if url == state.read_url() and running and running != configured:
        raise ConfigError(
            f"--config is not that of the run in {state.root}: it has "
            f"{', '.join(sorted(configured))}, there {', '.join(sorted(running))} run; "
            "give the run's own, or start the run again with this one"
        )


class DriftReport(msgspec.Struct, frozen=True):
    """What a check found. `standing` are the drifts that no model has answered."""

    checked: Checked
    standing: tuple[StandingDrift, ...]


class RetrainReport(msgspec.Struct, frozen=True):
    """What was asked for here and what it came to, and what else was answered meanwhile.

    `too_early` are the strategies that a model is due for before anything to learn from is known.
    """

    asked: tuple[str, ...]
    answers: tuple[Answered, ...]
    too_early: tuple[str, ...] = ()

    @property
    def is_any_kept(self) -> bool:
        """Whether something that is due here brought no model into force."""
        own = (one for one in self.answers if one.request_id in self.asked)
        return bool(self.too_early) or any(not one.is_promoted for one in own)


class CycleReport(msgspec.Struct, frozen=True):
    """A whole round. `standing` are the drifts that stand behind it."""

    checked: Checked
    answers: tuple[Answered, ...]
    standing: tuple[StandingDrift, ...]
    status: LearningStatus


async def status(site: Site) -> LearningStatus:
    """Return where every strategy stands."""
    return await status_of(site.bus, site.url, site.settings, site.state, site.only)


async def check(site: Site) -> DriftReport:
    """Judge all that stands in the streams, publish what that says, tell which drifts stand."""
    checked = await check_drift(site.bus, site.settings, site.state)
    return DriftReport(_of_one(checked, site), await _standing(site))


async def retrain(site: Site, *, forced: Operator | None = None) -> RetrainReport:
    """Ask for the models that are due, or by a person's word for all, and see them decided.

    What waits already is answered first: it may be what is due.
    """
    before = await _decided(site)
    answering = Answering(site.bus, site.settings, site.state)
    await finish_left(site.bus)
    await answering.finish()
    due = await _due(site, forced is not None)
    own = [await _asked(site, request, forced) for request in due if request.ts]
    await answering.finish(own)
    answers = [one for one in await _answers(site, before, own) if _is_told(site, one)]
    too_early = dict.fromkeys(one.strategy for one in due if not one.ts)
    return RetrainReport(tuple(own), tuple(answers), tuple(too_early))


async def cycle(site: Site) -> CycleReport:
    """Check, then answer all that is asked, then look at what that came to."""
    before = await _decided(site)
    await finish_left(site.bus)
    checked = await check_drift(site.bus, site.settings, site.state)
    await Answering(site.bus, site.settings, site.state).finish()
    answers = [one for one in await _answers(site, before, ()) if _is_told(site, one)]
    return CycleReport(
        _of_one(checked, site),
        tuple(answers),
        await _standing(site),
        await status(site),
    )


async def _standing(site: Site) -> tuple[StandingDrift, ...]:
    return tuple(await standing_drifts(site.bus, site.only))


async def _decided(site: Site) -> set[str]:
    return {one.request_id for one in await Ledger(site.bus).decisions() if one.is_out}


async def _answers(site: Site, before: set[str], own: Sequence[str]) -> list[Answered]:
    """Return what was decided since, and what the requests `own` came to, whenever that was."""
    return [
        answered_of(one)
        for one in await Ledger(site.bus).decisions()
        if one.is_out and (one.request_id not in before or one.request_id in own)
    ]


def _is_told(site: Site, answer: Answered) -> bool:
    return site.only in (None, answer.strategy)


def _of_one(checked: Checked, site: Site) -> Checked:
    if site.only is None:
        return checked
    watches = tuple(one for one in checked.watches if one.strategy == site.only)
    return msgspec.structs.replace(checked, watches=watches)


async def _due(site: Site, is_forced: bool) -> list[Retrain]:
    """Return the requests that are due now, as of the event time up to which outcomes are known.

    That is 0 before any.
    """
    standing = await _standing(site)
    lines = await model_lines(site.bus)
    models = aged(lines, await newest_event_ts(site.bus), max_ages(site.settings))
    labelled_ts = max(
        (one.event_ts for one in await role_lines(site.bus) if one.role == LABELLER), default=0
    )
    found = []
    with FeatureDatabase(_database(site)) as database:
        for strategy in site.strategies:
            if not strategy.ml.enabled:
                continue
            ts = max(labelled_ts, database.newest_exit_ts(strategy.name))
            needs = needs_of(strategy, models, standing, forced=is_forced)
            found += [need.request(ts) for need in needs]
    return found


def _database(site: Site) -> str | Path:
    return site.state.database(site.settings.ml_data_collection.db_path)


async def _asked(site: Site, request: Retrain, forced: Operator | None) -> str:
    """Ask, unless it was answered before; what a person asks for is written down."""
    if forced is not None:
        audit = Audit(
            strategy=request.strategy,
            symbol=request.symbol,
            action=ASKED,
            version="",
            by=forced.by,
            why=forced.why,
            ts=SystemClock().now_ns(),
            detail=f"{FORCED}: {request.request_id}",
        )
        await record(site.bus, audit, request.request_id)
    if await Ledger(site.bus).find(request.request_id) is None:
        await ask(site.bus, request)
    return request.request_id
