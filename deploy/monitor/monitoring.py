"""Follows a broker and makes a picture of it, as often as asked."""

from collections import Counter, OrderedDict, deque
from typing import Any

import msgspec

from deploy.config import RunSettings
from deploy.monitor.drift_source import DriftSource, detector_lines
from deploy.monitor.event_words import SKEW, event_line, why_ordered
from deploy.monitor.judged_outcomes import JudgedOutcomes
from deploy.monitor.picture import EventLine, ModelLine, Picture, StrategyPicture
from deploy.monitor.stream_reader import StreamReader, Tail
from deploy.operations.kill_switch import counting_among, standing_among
from deploy.operations.known_strategies import check_heard_of
from deploy.operations.scorer_refusals import Refusals, refusals_of
from deploy.state import StateDir
from deploy.survey import role_lines
from models.registry import Placing, Pointer, Registry
from streams import subjects, topology
from streams.bus import Message
from streams.errors import BusError, ModelRefused, without_passwords
from streams.events import Drift, Event, Policy, Retrain
from streams.intake import event_of
from streams.nats_bus import NatsBus
from trainers.retraining.shadows import Shadows

OUTCOMES_READ_MAX = 50_000
EVENTS_READ_MAX = 20_000
EVENTS_KEPT_MAX = 500
STRATEGIES_SHOWN_MAX = 1_000
COMING = "coming"
IN_FORCE, CANARY, SHADOW, REFUSED = "in_force", "canary", "shadow", "refused"


class Monitoring:
    """Everything known of one broker; `open` before `picture`.

    `only` is the one strategy to look at, None all. Raises BusError when the bus fails.
    """

    def __init__(
        self, bus: NatsBus, url: str, settings: RunSettings, state: StateDir, only: str | None
    ) -> None:
        self._bus = bus
        self._url = url
        self._settings = settings
        self._state_dir = state
        self._only = only
        self._outcomes = JudgedOutcomes(settings.drift.maturity_days)
        self._drift: DriftSource | None = None
        self._orders: dict[str, tuple[Policy, ...]] = {}
        self._alarm_ts: dict[str, int] = {}
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._events: deque[EventLine] = deque(maxlen=EVENTS_KEPT_MAX)
        self._reader = StreamReader(bus, _tails(only), self._take)
        self._requests: Any = None

    async def open(self) -> None:
        """Read the streams' tails."""
        self._drift = await DriftSource.of(self._settings, self._state_dir, self._bus)
        # A work queue cannot be read beside its worker: requests are overheard as they pass.
        self._requests = await self._bus.subscribe_plain(subjects.RETRAIN)
        await self._reader.open()
        self._drift.is_cut = topology.OUTCOMES in self._reader.cut
        self._events = deque(
            sorted(self._events, key=lambda one: one.wall_ts), maxlen=EVENTS_KEPT_MAX
        )

    async def check_known(self) -> None:
        """Raise ConfigError where nobody knows of the one strategy to look at: a slip, mostly."""
        configured = {one.name for one in self._settings.strategies}
        known = {*configured, *self._seen, *self._outcomes.strategies}
        if self._only is not None and self._only not in known:
            await check_heard_of(self._bus, self._only, known)

    async def picture(self) -> Picture:
        """Return the picture of this moment."""
        assert self._drift is not None
        if not self._bus.connected:
            raise BusError(f"the connection to {self._url} was lost")
        self._reader.read_on()
        for message in self._requests.take():
            event = event_of(message)
            if isinstance(event, Retrain):
                self._take(topology.RETRAIN, event, message)
        roles = await role_lines(self._bus)
        pointers, refusals = await self._pointers()
        waiting = await _requests_waiting(self._bus)
        event_ts = max((self._outcomes.newest_ts, *(role.event_ts for role in roles)))
        names = {*self._seen, *self._outcomes.strategies, *pointers, *waiting}
        if self._only is not None:
            names = {self._only}
        shown = sorted(names)[:STRATEGIES_SHOWN_MAX]
        watches = self._drift.watches()
        return Picture(
            url=without_passwords(self._url),
            event_ts=event_ts,
            roles=roles,
            strategies=tuple(
                [
                    await self._strategy(
                        name, pointers.get(name, []), refusals, watches, waiting, event_ts
                    )
                    for name in shown
                ]
            ),
            events=tuple(self._events),
            drift_from=self._drift.in_words,
        )

    async def close(self) -> None:
        """Stop reading."""
        await self._reader.close()
        if self._requests is not None:
            await self._requests.close()

    def _take(self, stream: str, event: Event, message: Message) -> None:
        if stream == topology.OUTCOMES:
            self._outcomes.step(event)
            if self._drift is not None:
                self._drift.step(event)
            return
        line = event_line(event, message)
        if line is None or (self._only is not None and line.strategy != self._only):
            return
        self._seen[line.strategy] = None
        if len(self._seen) > STRATEGIES_SHOWN_MAX:
            unseen, _ = self._seen.popitem(last=False)
            self._orders.pop(unseen, None)
            self._alarm_ts.pop(unseen, None)
        self._events.append(line)
        if isinstance(event, Policy):
            orders = (*self._orders.get(event.strategy, ()), event)
            self._orders[event.strategy] = counting_among(orders)
        elif isinstance(event, Drift) and event.level == "detected" and event.channel != SKEW:
            known = self._alarm_ts.get(event.strategy, 0)
            self._alarm_ts[event.strategy] = max(known, event.ts)

    async def _pointers(self) -> tuple[dict[str, list[Pointer]], Refusals]:
        found: dict[str, list[Pointer]] = {}
        pointers = await Registry(self._bus).pointers()
        for pointer in pointers:
            found.setdefault(pointer.strategy, []).append(pointer)
        return found, await refusals_of(self._bus, pointers)

    async def _strategy(
        self,
        name: str,
        pointers: list[Pointer],
        refusals: Refusals,
        watches: dict[tuple[str, str], Any],
        waiting: Counter[str],
        event_ts: int,
    ) -> StrategyPicture:
        models = [line for pointer in pointers for line in _placed(pointer, refusals, event_ts)]
        models += await self._shadows(name, pointers, refusals, event_ts)
        # A model of `ml.model_path` speaks without a pointer.
        newest = self._outcomes.newest_model(name)
        of_all = (one for one in pointers if one.symbol is None)
        scope = next(of_all, None)
        placed = _in_turn(scope, refusals, event_ts)[0] if scope is not None else None
        in_force = newest if placed is None else placed.version if placed.digest else ""
        policy = standing_among(self._orders.get(name, ()))
        watch = watches.get((name, in_force))
        alarm_ts = self._alarm_ts.get(name)
        return StrategyPicture(
            strategy=name,
            model=in_force,
            models=tuple(models),
            policy=policy.action if policy is not None else "",
            policy_why=why_ordered(policy.by, policy.why) if policy is not None else "",
            scores=self._outcomes.scores(name, in_force),
            has_reference=watch is not None and watch.has_reference,
            detectors=detector_lines(watch),
            changepoint_ts=watch.changepoint_ts if watch is not None else 0,
            outcomes_since_change=watch.outcomes_since_change if watch is not None else 0,
            outcomes_since_alarm=self._outcomes.since(name, alarm_ts or 0),
            last_alarm_ts=alarm_ts,
            requests_waiting=waiting[name],
        )

    async def _shadows(
        self, name: str, pointers: list[Pointer], refusals: Refusals, event_ts: int
    ) -> list[ModelLine]:
        found = []
        for pointer in pointers:
            try:
                record = await Shadows(self._bus).of(name, pointer.symbol)
            except ModelRefused:
                continue
            found += [
                ModelLine(one.version, pointer.symbol, SHADOW, 0.0, 0, None)
                for one in record.shadows
            ]
            previous, speaking = pointer.previous, _in_turn(pointer, refusals, event_ts)[0]
            if previous is not None and (speaking is None or previous.digest != speaking.digest):
                found.append(
                    ModelLine(
                        previous.version, pointer.symbol, SHADOW, 0.0, previous.effective_ts, None
                    )
                )
        return found


def _in_turn(
    pointer: Pointer, refusals: Refusals, event_ts: int
) -> tuple[Placing | None, Placing | None]:
    """Return what speaks in a scope at `event_ts`, and what has been deployed to speak later."""
    speaking = refusals.speaking(pointer)
    if speaking is None or not 0 < event_ts < speaking.effective_ts:
        return speaking, None
    return pointer.previous, speaking


def _placed(pointer: Pointer, refusals: Refusals, event_ts: int) -> list[ModelLine]:
    """Return what speaks in a scope, what will, its canary, and what should but was refused."""
    (speaking, coming), canary = _in_turn(pointer, refusals, event_ts), pointer.canary
    canary_refused = refusals.why(pointer, canary)
    share = pointer.share if canary is not None and not canary_refused else 0.0
    lines = []
    if speaking is not None:
        is_pinned = pointer.pinned and speaking == pointer.current
        line = _line(pointer, speaking, IN_FORCE, 1.0 - share, event_ts)
        lines.append(msgspec.structs.replace(line, pinned=is_pinned))
    if coming is not None:
        lines.append(_line(pointer, coming, COMING, 0.0, event_ts))
    if canary is not None and not canary_refused:
        lines.append(_line(pointer, canary, CANARY, share, event_ts))
    for placing in (pointer.current, canary):
        why = refusals.why(pointer, placing)
        if placing is not None and why:
            line = _line(pointer, placing, REFUSED, 0.0, event_ts)
            lines.append(msgspec.structs.replace(line, refused=why))
    return lines


def _line(pointer: Pointer, placing: Placing, place: str, share: float, event_ts: int) -> ModelLine:
    since = placing.effective_ts
    age_s = _age_s(since, event_ts)
    return ModelLine(placing.version, pointer.symbol, place, share, since, age_s)


def _age_s(since_ts: int, event_ts: int) -> float | None:
    return max(0, event_ts - since_ts) / 1e9 if since_ts > 0 and event_ts > 0 else None


def _tails(only: str | None) -> tuple[Tail, ...]:
    """Return what is read: of one strategy, or of all."""
    if only is None:
        outcomes, drift, kept = subjects.OUTCOMES, subjects.DRIFT, subjects.KEPT
        deployed, policy, audit = subjects.DEPLOYED, subjects.POLICY, subjects.AUDIT
    else:
        outcomes = f"outcomes.{subjects.token(only)}.>"
        drift, kept = subjects.drift(only), subjects.kept(only)
        deployed, policy = subjects.deployed(only), subjects.policy(only)
        audit = subjects.audit(only)
    return (
        Tail(topology.INPUT, (deployed, policy)),
        Tail(topology.AUDIT, (audit,), EVENTS_READ_MAX),
        Tail(topology.DRIFT, (drift, kept), EVENTS_READ_MAX),
        Tail(topology.OUTCOMES, (outcomes, "progress.labeller.>"), OUTCOMES_READ_MAX),
    )


async def _requests_waiting(bus: NatsBus) -> Counter[str]:
    """Return how many requests wait or are worked on, by strategy."""
    body = {"subjects_filter": subjects.RETRAIN}
    answer = await bus.jetstream.call(f"STREAM.INFO.{topology.RETRAIN}", body)
    counts: dict[str, int] = answer["state"].get("subjects") or {}
    waiting: Counter[str] = Counter()
    for subject, count in counts.items():
        waiting[subjects.name_of(subject.rpartition(".")[2])] += count
    return waiting
