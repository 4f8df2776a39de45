"""The scorer: every raw signal gets exactly one answer, as of the bar it names.

A pure state machine. `step` takes one event of INPUT, in order, and returns what to publish:

    Bar, Bars, Reset  -> features move on; signals that waited for the bar are answered
    Signal, Signals   -> answered now, or when their bar is known
    Deployment        -> through `deploy`, with the model that the shell has fetched and verified
    Policy, Expire    -> the kill switch; a signal that has waited long enough
    Progress          -> the strategies' watermark

What cannot be honoured goes to the dead letters, and stops nothing: an event as that very event, a
row of a frame as a bar or a signal, what is no event at all through `refuse`.
"""

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.answer import Answer
from engine.bar_book import BarBook, Series
from engine.deployments import SCOPES_MAX, Deployments, InForce
from engine.feature_rows import FeatureRows
from engine.policies import Policies
from engine.refusals import Unread, dead_letter, unread_signals
from engine.settings import EXTERNAL, StrategySettings
from engine.signal_ledger import SignalLedger
from engine.waiting_room import PENDING_SIGNALS_MAX, Lane, WaitingRoom
from models.feature_set import FeatureSet
from models.mode import decide
from models.onnx_session import Model
from models.vector import digest_of, vector_names
from streams import codec, subjects
from streams.columns import expand_bars, expand_signals
from streams.errors import ModelRefused, WireError
from streams.events import (
    Bar,
    Bars,
    Deployment,
    Event,
    Expire,
    Policy,
    Progress,
    Reset,
    Scored,
    Signal,
    Signals,
)
from streams.session import Session
from streams.validation import check_bar, check_policy, check_signal

_DAY_NS = 86_400_000_000_000
NO_BAR, TOO_LATE = "no_bar", "too_late"


class Scorer:
    """Answers the signals of its strategies, for the symbols that `owns` says are its own."""

    def __init__(
        self,
        strategies: tuple[StrategySettings, ...],
        features: FeatureSet,
        session: Session,
        owns: Callable[[str], bool] = lambda symbol: True,
    ) -> None:
        self._strategies = {settings.name: settings for settings in strategies}
        self._vector_names = {
            settings.name: vector_names(features.names, settings.features)
            for settings in strategies
        }
        self._vector_digests = {
            name: digest_of(names) for name, names in self._vector_names.items()
        }
        self._owns = owns
        self._bars = BarBook()
        self._rows = FeatureRows(features, session)
        self._ledger = SignalLedger()
        self._waiting = WaitingRoom()
        self._deployments = Deployments()
        self._policies = Policies()
        self._strategy_progress: dict[int, int] = {}
        # An engine's own signals are not vouched for: a strategies role of before, or of another
        # configuration, must not hold the watermark.
        self._heeds_strategies = any(one.rule_name != EXTERNAL for one in strategies)
        self._steps: dict[type[Any], Callable[[Any], list[Answer]]] = {
            Bar: self._on_bar,
            Bars: self._on_bars,
            Signal: self._on_signal,
            Signals: self._on_signals,
            Reset: self._on_reset,
            Policy: self._on_policy,
            Expire: self._on_expire,
            Progress: self._on_progress,
        }

    @property
    def progress_ts(self) -> int:
        """The event time up to which every signal that was published has been answered."""
        if self._strategy_progress:
            return min(self._strategy_progress.values())
        return self._bars.complete_ts

    @property
    def strategy_names(self) -> tuple[str, ...]:
        """The strategies that are configured."""
        return tuple(self._strategies)

    def vector_names(self, strategy: str) -> tuple[str, ...]:
        """Return the names of the vector served for `strategy`, in order."""
        return self._vector_names[strategy]

    def waiting(self) -> list[Signal]:
        """Return the signals that wait for a bar, for the shell to let them expire."""
        return self._waiting.waiting()

    def step(self, event: Event) -> list[Answer]:
        """Take one event of INPUT and return the answers to publish, in order."""
        handler = self._steps.get(type(event))
        return handler(event) if handler else []

    def start_with(self, strategy: str, model: Model) -> None:
        """Let the model of `ml.model_path` speak until a deployment comes; pinned, for good."""
        scope = Deployment(strategy, None, model.version, model.digest, 0, None, {})
        self._deployments.add(scope, model)

    def deploy(self, deployment: Deployment, model: Model | ModelRefused | None) -> list[Answer]:
        """Bring a model into force, or say why it was refused and keep the old one.

        `model` None with an empty digest is the null model: from then on nobody speaks. A
        strategy that is pinned to its `model_path` keeps it.
        """
        settings = self._strategies.get(deployment.strategy)
        subject = subjects.deployed(deployment.strategy)
        if settings is None:
            detail = f"unknown_strategy: {self._unknown(deployment.strategy)}"
            return [dead_letter(subject, deployment, detail)]
        if isinstance(model, ModelRefused):
            return [dead_letter(subject, deployment, f"model_refused: {model}")]
        if not self._deployments.has_room(deployment):
            detail = (
                f"scope_limit: more than {SCOPES_MAX} scopes, this one is {deployment.symbol!r}"
            )
            return [dead_letter(subject, deployment, detail)]
        if not settings.ml.pinned:
            self._deployments.add(deployment, model)
        return []

    def refuse(self, subject: str, payload: bytes, error: WireError) -> list[Answer]:
        """Answer a payload that cannot be honoured: a dead letter, and a `rejected` answer for
        every raw signal in it whose id can be read.
        """
        found = unread_signals(subject, payload)
        owned = [one for one in found if self._owns(one.symbol)]
        if found and not owned:
            return []
        return self._turn_down(dead_letter(subject, payload, str(error)), owned, payload, error)

    def _turn_down(
        self, letter: Answer, signals: list[Unread], content: bytes, error: WireError
    ) -> list[Answer]:
        """Return the letter and the rejections; nothing where all of it is a repeat."""
        now = self._bars.newest_ts
        verdicts = [self._ledger.check(one.signal_id, content, now) for one in signals]
        if verdicts and set(verdicts) == {"same"}:
            return []
        new = [one for one, verdict in zip(signals, verdicts, strict=True) if verdict == "new"]
        return [letter, *(one.rejected(error.reason) for one in new)]

    def _on_bars(self, frame: Bars) -> list[Answer]:
        try:
            bars = expand_bars(frame)
        except WireError as error:
            return [dead_letter(subjects.frame(frame.interval), frame, str(error))]
        return [answer for bar in bars for answer in self._on_bar(bar)]

    def _on_bar(self, bar: Bar) -> list[Answer]:
        try:
            check_bar(bar)
            if not self._bars.accept(bar):
                return []
        except WireError as error:
            if not self._owns(bar.symbol):
                return []
            return [dead_letter(subjects.bar(bar.interval, bar.symbol), bar, str(error))]
        series = self._bars.series(bar.symbol, bar.interval)
        assert series is not None
        self._rows.update(series, bar)
        lanes = self._waiting.lanes_of(bar.symbol) if self._waiting.count else ()
        return [answer for lane in lanes for answer in self._serve(lane)]

    def _on_reset(self, event: Reset) -> list[Answer]:
        for series in self._bars.reset(event):
            self._rows.clear(series)
        return []

    def _on_signals(self, frame: Signals) -> list[Answer]:
        try:
            signals = expand_signals(frame)
        except WireError as error:
            subject = subjects.raw_frame(frame.strategy)
            answers = self.refuse(subject, codec.encode(frame, "msgpack"), error)
            return [a._replace(event=frame) if a.error else a for a in answers]
        return [answer for signal in signals for answer in self._on_signal(signal)]

    def _on_signal(self, signal: Signal) -> list[Answer]:
        if not self._owns(signal.symbol):
            return []
        content = codec.encode(signal, "msgpack")
        subject = subjects.raw(signal.strategy, signal.symbol)
        try:
            self._check_signal(signal)
        except WireError as error:
            one = Unread(
                signal.signal_id, signal.strategy, signal.symbol, signal.interval, max(signal.ts, 0)
            )
            return self._turn_down(dead_letter(subject, signal, str(error)), [one], content, error)
        verdict = self._ledger.check(signal.signal_id, content, signal.ts)
        if verdict == "same":
            return []
        if verdict == "conflict":
            detail = f"signal_id: {signal.signal_id!r} was used with another payload"
            return [dead_letter(subject, signal, detail)]
        lane = (signal.strategy, signal.symbol)
        self._waiting.add(signal)
        answers = self._serve(lane)
        if self._waiting.count > PENDING_SIGNALS_MAX:
            answers += self._give_up(self._waiting.oldest_lane())
        return answers

    def _check_signal(self, signal: Signal) -> None:
        check_signal(signal)
        settings = self._strategies.get(signal.strategy)
        if settings is None:
            raise WireError("unknown_strategy", self._unknown(signal.strategy))
        if signal.interval != settings.interval:
            raise WireError(
                "interval",
                f"{signal.strategy} trades {settings.interval} bars, the signal names "
                f"{signal.interval}",
            )

    def _on_policy(self, policy: Policy) -> list[Answer]:
        try:
            check_policy(policy)
            if policy.strategy not in self._strategies:
                raise WireError("unknown_strategy", self._unknown(policy.strategy))
        except WireError as error:
            return [dead_letter(subjects.policy(policy.strategy), policy, str(error))]
        self._policies.add(policy)
        return []

    def _on_expire(self, event: Expire) -> list[Answer]:
        lane = (event.strategy, event.symbol)
        head = self._waiting.head(lane)
        # A bar may have answered it first: then there is nothing left to expire.
        if head is None or head.signal_id != event.signal_id:
            return []
        return self._give_up(lane)

    def _on_progress(self, event: Progress) -> list[Answer]:
        if event.role == "strategies" and self._heeds_strategies:
            known = self._strategy_progress.get(event.shard, 0)
            self._strategy_progress[event.shard] = max(known, event.event_ts)
        return []

    def _give_up(self, lane: Lane) -> list[Answer]:
        answer = self._answer(self._waiting.leave(lane), None, 0, NO_BAR)
        return [answer, *self._serve(lane)]

    def _serve(self, lane: Lane) -> list[Answer]:
        """Answer a lane's signals from its head until one has to wait."""
        answers: list[Answer] = []
        while (signal := self._waiting.head(lane)) is not None:
            series = self._bars.series(signal.symbol, signal.interval)
            position = Series.WAITS if series is None else series.position_of(signal.ts)
            if position == Series.WAITS:
                break
            self._waiting.leave(lane)
            missing = {Series.TOO_LATE: TOO_LATE, Series.NO_BAR: NO_BAR}.get(position, "")
            answers.append(self._answer(signal, None if missing else series, position, missing))
        return answers

    def _answer(self, signal: Signal, series: Series | None, position: int, missing: str) -> Answer:
        settings = self._strategies[signal.strategy]
        vector = None if series is None else self._vector(signal, series, position, settings)
        in_force = self._deployments.for_signal(signal.strategy, signal.symbol, signal.ts)
        reasons: tuple[str, ...] = (missing,) if missing else ()
        probability: float | None = None
        if vector is not None and settings.ml.enabled:
            probability, reasons = _speak(signal, settings, in_force, vector)
        model = in_force.version if in_force and probability is not None else None
        decision = decide(
            settings.ml,
            score=signal.score,
            probability=probability,
            reasons=reasons,
            policy=self._policies.in_force(signal.strategy, signal.ts),
        )
        answer = Scored(
            **msgspec.structs.asdict(signal),
            probability=decision.probability,
            final_score=decision.final_score,
            accepted=decision.accepted,
            mode=decision.mode,
            threshold=settings.ml.confidence_threshold,
            weight=settings.ml.ml_weight,
            model=model if decision.probability is not None else None,
            reasons=decision.reasons,
            inputs=b"" if vector is None else vector.tobytes(),
            features_digest=self._vector_digests[signal.strategy],
        )
        subject = subjects.scored if decision.accepted else subjects.rejected
        return Answer(subject(signal.strategy, signal.symbol), answer)

    def _vector(
        self, signal: Signal, series: Series, position: int, settings: StrategySettings
    ) -> NDArray[np.float32]:
        row = self._rows.row(series, position)
        own = [signal.features.get(name, np.nan) for name in settings.features]
        # A number beyond float32 is served as infinite, which a model is not asked about.
        with np.errstate(over="ignore"):
            carried = np.array([signal.score, signal.side, *own], dtype=np.float32)
        return np.concatenate((row, carried))

    def _unknown(self, strategy: str) -> str:
        known = ", ".join(sorted(self._strategies))
        return f"strategy {strategy!r} is not configured; configured: {known}"


def _speak(
    signal: Signal,
    settings: StrategySettings,
    in_force: InForce | None,
    vector: NDArray[np.float32],
) -> tuple[float | None, tuple[str, ...]]:
    """Return the model's probability, or None and why no model spoke."""
    if in_force is None or in_force.model is None:
        return None, ("no_model",)
    max_age_days = settings.ml.max_age_days
    age_ns = signal.ts - in_force.effective_ts
    if max_age_days is not None and age_ns > max_age_days * _DAY_NS:
        return None, ("expired",)
    return in_force.model.speak(vector)
