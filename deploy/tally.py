"""What a run has done so far: counted from the messages of its streams, for view and report.

A pure core: messages in, figures up to date. Only signals with ts >= `from_ts` are counted: those
before warm the features up.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams import codec, topology
from streams.bus import Message
from streams.columns import columns_of, expand_signals
from streams.errors import WireError
from streams.events import (
    Bar,
    Bars,
    Deployment,
    Drift,
    Event,
    Outcome,
    Policy,
    Retrain,
    Scored,
    Signal,
    Signals,
)

LATENCIES_MAX = 100_000
UNANSWERED_MAX = 100_000
EVENTS_SHOWN_MAX = 200
OUTCOMES_MAX = 1_000_000
PAUSE_NS = 1_000_000_000
SKEW = "skew"
REVIEW = "review"
QUIET_REVIEWS = ("nothing_in_shadow", "in_shadow")

OFFLINE = Message(subject="", payload=b"")

STREAMS_WATCHED = (topology.INPUT, topology.SCORED, topology.OUTCOMES, topology.DRIFT)


class Judged(NamedTuple):
    """One virtual outcome, as far as the report asks."""

    ts: int
    exit_ts: int
    accepted: bool
    y: int
    r_multiple: float
    probability: float
    model: str


class Told(NamedTuple):
    """Something that happened to a strategy, in event time and in words."""

    ts: int
    strategy: str
    text: str


@dataclass(slots=True)
class StrategyTally:
    """The counts of one strategy."""

    signals: int = 0
    accepted: int = 0
    invalid: int = 0
    in_force: str = ""
    policy: str = ""
    drift_statistic: float = 0.0
    drift_threshold: float = 0.0
    drift_level: str = ""
    outcomes: list[Judged] = field(default_factory=list)
    deployments: list[tuple[str, Deployment]] = field(default_factory=list)
    quiet_reviews: int = 0
    drifts: list[Drift] = field(default_factory=list)
    modes: set[str] = field(default_factory=set)


class Tally:
    """Counts one run. `step` takes a message of one of STREAMS_WATCHED or RETRAIN."""

    def __init__(self, strategies: tuple[str, ...], from_ts: int = 0) -> None:
        self.strategies = {name: StrategyTally() for name in strategies}
        self.from_ts = from_ts
        self.bars = 0
        self.event_ts = 0
        self.told: deque[Told] = deque(maxlen=EVENTS_SHOWN_MAX)
        self.told_count = 0
        self._asked_ns: dict[str, int] = {}
        self._answered_ns: dict[str, int] = {}
        self._latencies_ns: deque[int] = deque(maxlen=LATENCIES_MAX)
        self._bars_at_ns = 0
        self._flowing_ns = 0
        self._steps: dict[type[Any], Any] = {
            Bar: self._on_bar,
            Bars: self._on_bars,
            Signal: self._on_signal,
            Signals: self._on_signals,
            Scored: self._on_scored,
            Outcome: self._on_outcome,
            Drift: self._on_drift,
            Deployment: self._on_deployment,
            Policy: self._on_policy,
            Retrain: self._on_retrain,
        }

    def step(self, message: Message) -> None:
        """Count one message; what is no event is not counted."""
        try:
            event: Event = codec.decode(message.payload)
        except WireError:
            return
        self.take(event, message)

    def take(self, event: Event, message: Message = OFFLINE) -> None:
        """Count one event that is decoded already; offline it comes in no message."""
        handler = self._steps.get(type(event))
        if handler:
            handler(event, message)

    def latencies_us(self) -> NDArray[np.float64]:
        """Return the times from a raw signal's storing to its answer's, microseconds."""
        return np.array(self._latencies_ns, dtype=np.float64) / 1000.0

    def bars_per_second(self) -> float:
        """Return the rate at which bars went into INPUT, by the broker's clock.

        Pauses of more than PAUSE_NS, in which models are trained, are left out.
        """
        return self.bars * 1e9 / self._flowing_ns if self._flowing_ns else 0.0

    def _tell(self, told: Told) -> None:
        self.told.append(told)
        self.told_count += 1

    def _of(self, strategy: str) -> StrategyTally:
        return self.strategies.setdefault(strategy, StrategyTally())

    def _on_bar(self, bar: Bar, message: Message) -> None:
        self._count_bars(1, bar.ts, message.time_ns)

    def _on_bars(self, frame: Bars, message: Message) -> None:
        try:
            ts = columns_of(frame).ts
        except WireError:
            return
        self._count_bars(len(ts), int(ts.max()), message.time_ns)

    def _count_bars(self, count: int, ts: int, time_ns: int) -> None:
        self.bars += count
        self.event_ts = max(self.event_ts, ts)
        gap_ns = time_ns - self._bars_at_ns
        if 0 < gap_ns <= PAUSE_NS:
            self._flowing_ns += gap_ns
        self._bars_at_ns = time_ns

    def _on_signal(self, signal: Signal, message: Message) -> None:
        if signal.ts >= self.from_ts and message.time_ns:
            self._time(signal.signal_id, self._asked_ns, self._answered_ns, message.time_ns, 1)

    def _on_signals(self, frame: Signals, message: Message) -> None:
        try:
            signals = expand_signals(frame)
        except WireError:
            return
        for signal in signals:
            self._on_signal(signal, message)

    def _on_scored(self, answer: Scored, message: Message) -> None:
        if answer.ts < self.from_ts:
            return
        tally = self._of(answer.strategy)
        if any(reason.startswith("invalid:") for reason in answer.reasons):
            tally.invalid += 1
            return
        tally.signals += 1
        tally.accepted += answer.accepted
        tally.modes.add(answer.mode)
        if message.time_ns:
            self._time(answer.signal_id, self._answered_ns, self._asked_ns, message.time_ns, -1)

    def _time(
        self,
        signal_id: str,
        own: dict[str, int],
        other: dict[str, int],
        time_ns: int,
        sign: int,
    ) -> None:
        """Pair a signal with its answer: the two streams are read side by side."""
        paired_ns = other.pop(signal_id, None)
        if paired_ns is not None:
            self._latencies_ns.append(sign * (paired_ns - time_ns))
        elif len(own) < UNANSWERED_MAX:
            own[signal_id] = time_ns

    def _on_outcome(self, outcome: Outcome, message: Message) -> None:
        tally = self._of(outcome.strategy)
        if not outcome.virtual or outcome.ts < self.from_ts:
            return
        if len(tally.outcomes) < OUTCOMES_MAX:
            probability = np.nan if outcome.probability is None else outcome.probability
            tally.outcomes.append(
                Judged(
                    outcome.ts,
                    outcome.exit_ts,
                    outcome.accepted,
                    outcome.y_binary,
                    outcome.r_multiple,
                    probability,
                    outcome.model or "",
                )
            )

    def _on_drift(self, drift: Drift, message: Message) -> None:
        if drift.channel == SKEW:
            # Not the market has changed, but what is computed of it: no alarm of a model.
            text = f"skew {drift.level} on {drift.symbol}: {drift.detail}"
            self._tell(Told(drift.ts, drift.strategy, text))
            return
        tally = self._of(drift.strategy)
        tally.drift_statistic = drift.statistic
        tally.drift_threshold = drift.threshold
        tally.drift_level = drift.level
        tally.drifts.append(drift)
        text = (
            f"drift {drift.level}: {drift.detector} {drift.statistic:.4g} of "
            f"{drift.threshold:.4g} after {drift.outcomes_seen} outcomes"
        )
        self._tell(Told(drift.ts, drift.strategy, text))

    def _on_deployment(self, deployment: Deployment, message: Message) -> None:
        tally = self._of(deployment.strategy)
        is_deployed = message.subject.startswith("models.deployed.")
        reason = str(deployment.verdict.get("reason", ""))
        if not is_deployed and reason in QUIET_REVIEWS:
            # One every few hundred outcomes, from which nothing followed.
            tally.quiet_reviews += 1
            return
        # The model in force stays beside a canary.
        is_canary = is_deployed and deployment.share < 1.0
        kind = "canary" if is_canary else "deployed" if is_deployed else "kept"
        tally.deployments.append((kind, deployment))
        if is_canary:
            share = f"answers {deployment.share:.4g} of the signals" if deployment.share else "ends"
            text = f"canary {deployment.version} {share}"
        elif is_deployed:
            tally.in_force = deployment.version
            text = f"model {deployment.version} deployed"
        else:
            why = f": {reason.replace('_', ' ')}" if reason else ""
            made = f"challenger {deployment.version} not" if deployment.digest else "no model"
            text = f"{made} deployed{why}"
        self._tell(Told(deployment.effective_ts, deployment.strategy, text))

    def _on_policy(self, policy: Policy, message: Message) -> None:
        self._of(policy.strategy).policy = "" if policy.action == "resume" else policy.action
        text = f"policy {policy.action} by {policy.by}: {policy.why}"
        self._tell(Told(policy.effective_ts or self.event_ts, policy.strategy, text))

    def _on_retrain(self, request: Retrain, message: Message) -> None:
        if request.action == REVIEW:
            return
        text = f"{request.action} requested by {request.requested_by}: {request.reason}"
        self._tell(Told(request.ts, request.strategy, text))
