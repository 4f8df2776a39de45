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

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from engine.answer import Answer
from engine.answerer import Answerer
from engine.bar_book import AS_OF_BARS_MAX, NO_BAR, WAITS
from engine.canaries import is_canary
from engine.context_settings import NO_CONTEXT, ContextSettings
from engine.deployments import SCOPES_MAX, deployed_in
from engine.desk import DESKS_MAX, Desk
from engine.in_force import InForce
from engine.market import Market
from engine.refusals import Unread, dead_letter, unread_signals
from engine.saved import Saved
from engine.settings import EXTERNAL, StrategySettings
from engine.signal_ledger import SignalLedger
from engine.waiting_room import PENDING_SIGNALS_MAX, Lane, WaitingRoom
from models.feature_set import FeatureSet
from models.onnx_session import Model
from models.vector import digest_of, vector_names
from streams import codec, subjects
from streams.columns import BarColumns, columns_of, expand_signals
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
    Signal,
    Signals,
)
from streams.session import Session
from streams.validation import check_policy
from streams.watermark import Watermark

_SHARE_ALLOWED = "a share is in [0, 1], and below 1 that of a model"


class Scorer:
    """Answers the signals of its strategies, for the symbols that `owns` says are its own.

    `context` says what features may know of other symbols.
    """

    def __init__(
        self,
        strategies: tuple[StrategySettings, ...],
        features: FeatureSet,
        session: Session,
        owns: Callable[[str], bool] = lambda symbol: True,
        context: ContextSettings = NO_CONTEXT,
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
        self._features_count = len(features.names)
        self._desks: dict[Lane, Desk] = {}
        self._market = Market(features, session, context)
        self._answerer = Answerer(self._market, features.convergence)
        self._ledger = SignalLedger()
        self._waiting = WaitingRoom()
        self._strategies_said = Watermark()
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
        said = self._strategies_said
        return said.event_ts if said.shards else self._market.complete_ts

    @property
    def strategy_names(self) -> tuple[str, ...]:
        """The strategies that are configured."""
        return tuple(self._strategies)

    def vector_names(self, strategy: str) -> tuple[str, ...]:
        """Return the names of the vector served for `strategy`, in order."""
        return self._vector_names[strategy]

    def waiting(self) -> list[Signal]:
        """Return the own signals that wait for a bar, for the shell to let them expire."""
        return [signal for signal in self._waiting.waiting() if self._owns(signal.symbol)]

    def in_force(self) -> list[InForce]:
        """Return what was deployed last for every scope, canaries too."""
        return self._answerer.deployments.standing()

    def step(self, event: Event) -> list[Answer]:
        """Take one event of INPUT and return the answers to publish, in order."""
        handler = self._steps.get(type(event))
        return handler(event) if handler else []

    def start_with(self, strategy: str, model: Model) -> None:
        """Let the model of `ml.model_path` speak until a deployment comes; pinned, for good."""
        first = Deployment(strategy, None, model.version, model.digest, 0, None, {})
        self._answerer.deploy(first, model, is_first=True)

    def deploy(self, deployment: Deployment, model: Model | ModelRefused | None) -> list[Answer]:
        """Bring a model into force, or say why it was refused and keep the old one.

        `model` None with an empty digest is the null model: from then on nobody speaks. A share
        below 1 makes a canary, 0 ends it. A strategy that is pinned to its `model_path` keeps it.
        """
        settings = self._strategies.get(deployment.strategy)
        subject = subjects.deployed(deployment.strategy)
        if settings is None:
            detail = f"unknown_strategy: {self._unknown(deployment.strategy)}"
            return self._letter(subject, deployment, detail)
        if isinstance(model, ModelRefused):
            return self._letter(subject, deployment, f"model_refused: {model}")
        if not 0.0 <= deployment.share <= 1.0 or (is_canary(deployment) and model is None):
            detail = f"share: {deployment.share} of {deployment.version!r}; {_SHARE_ALLOWED}"
            return self._letter(subject, deployment, detail)
        if not self._answerer.deployments.has_room(deployment):
            detail = (
                f"scope_limit: more than {SCOPES_MAX} scopes, this one is {deployment.symbol!r}"
            )
            return self._letter(subject, deployment, detail)
        if not settings.ml.pinned:
            self._answerer.deploy(deployment, model)
        return []

    def save(self) -> Saved:
        """Return all that the core knows, for `load`."""
        facts = {
            "in_force": self._answerer.save(),
            "strategies": self._strategies_said.save(),
            "waiting": self._waiting.save(),
        }
        return Saved.of(
            facts,
            market=self._market.save(),
            ledger=self._ledger.save(),
        )

    @staticmethod
    def deployed_in(saved: Saved) -> list[Deployment]:
        """Return the deployments whose models a saved scorer needs to go on."""
        return deployed_in(saved.facts["in_force"]["deployments"])

    def load(self, saved: Saved, models: Mapping[str, Model]) -> None:
        """Go on from what `save` returned, with the models of `deployed_in` by digest."""
        self._market.load(saved.part("market"))
        self._ledger.load(saved.part("ledger"))
        self._answerer.load(saved.facts["in_force"], models)
        self._strategies_said.load(saved.facts["strategies"])
        self._waiting.load(saved.facts["waiting"])

    def rehearse(self) -> Answer | None:
        """Make the last answer once more, to no effect: see `engine.rehearsal`."""
        return self._answerer.rehearse()

    def refuse(self, subject: str, payload: bytes, error: WireError) -> list[Answer]:
        """Answer a payload that cannot be honoured: a dead letter, and a `rejected` answer for
        every raw signal in it whose id can be read.
        """
        found = list(enumerate(unread_signals(subject, payload)))
        return self._turn_down(self._letter(subject, payload, str(error)), found, payload, error)

    def _letter(self, subject: str, event: Event | bytes, error: str) -> list[Answer]:
        """Return the letter of a whole message: one shard of all sends it."""
        is_mine = self._owns(subjects.name_of(subject.rpartition(".")[2]))
        return [dead_letter(subject, event, error)] if is_mine else []

    def _turn_down(
        self,
        letter: list[Answer],
        signals: list[tuple[int, Unread]],
        content: bytes,
        error: WireError,
    ) -> list[Answer]:
        """Return the letter and the rejections of (row, signal); nothing for a mere repeat."""
        now = self._market.newest_ts
        verdicts = [self._ledger.check(one.signal_id, content, now) for _, one in signals]
        if verdicts and set(verdicts) == {"same"}:
            return []
        new = [one for one, verdict in zip(signals, verdicts, strict=True) if verdict == "new"]
        return [
            *letter,
            *(
                one.rejected(error.reason)._replace(row=row)
                for row, one in new
                if self._owns(one.symbol)
            ),
        ]

    def _on_bars(self, frame: Bars) -> list[Answer]:
        try:
            columns = columns_of(frame)
        except WireError as error:
            return self._letter(subjects.frame(frame.interval), frame, str(error))
        rows = len(columns.ts)
        is_long = rows > AS_OF_BARS_MAX and (
            columns.is_run
            or (self._waiting.count > 0 and max(Counter(columns.symbols).values()) > AS_OF_BARS_MAX)
        )
        # A signal that waits in the middle of a long run, alone or among others' bars, must
        # still find its bar in the ring.
        size = AS_OF_BARS_MAX if is_long else rows
        answers: list[Answer] = []
        for start in range(0, rows, size):
            answers += self._on_rows(columns.part(start, start + size), start)
        return answers

    def _on_rows(self, columns: BarColumns, first_row: int) -> list[Answer]:
        """Take rows of a frame, the first being its row number `first_row`."""
        new = self._market.take(columns)
        answers = [
            self._refused_bar(columns.bar(row), error, first_row + row)
            for row, error in new.refused
            if self._owns(columns.symbol_of(row))
        ]
        if self._waiting.count:
            last_rows = {columns.symbol_of(row): first_row + row for row in new.rows.tolist()}
            for symbol, row in last_rows.items():
                answers += self._serve_all(symbol, row)
        return answers

    def _on_bar(self, bar: Bar) -> list[Answer]:
        try:
            if not self._market.accept(bar):
                return []
        except WireError as error:
            return [self._refused_bar(bar, error, 0)] if self._owns(bar.symbol) else []
        return self._serve_all(bar.symbol, 0) if self._waiting.count else []

    def _refused_bar(self, bar: Bar, error: WireError, row: int) -> Answer:
        subject = subjects.bar(bar.interval, bar.symbol)
        return dead_letter(subject, bar, str(error))._replace(row=row)

    def _on_reset(self, event: Reset) -> list[Answer]:
        self._market.reset(event)
        return []

    def _on_signals(self, frame: Signals) -> list[Answer]:
        try:
            signals = expand_signals(frame)
        except WireError as error:
            subject = subjects.raw_frame(frame.strategy)
            answers = self.refuse(subject, codec.encode(frame, "msgpack"), error)
            return [a._replace(event=frame) if a.error else a for a in answers]
        return [
            answer for row, signal in enumerate(signals) for answer in self._on_signal(signal, row)
        ]

    def _on_signal(self, signal: Signal, row: int = 0) -> list[Answer]:
        content = codec.encode(signal, "msgpack")
        lane = (signal.strategy, signal.symbol)
        try:
            desk = self._desks.get(lane) or self._open_desk(lane)
            desk.check(signal)
        except WireError as error:
            return self._on_bad_signal(signal, content, error, row)
        is_mine = self._owns(signal.symbol)
        verdict = self._ledger.check(signal.signal_id, content, signal.ts)
        if verdict == "same":
            return []
        if verdict == "conflict":
            detail = f"signal_id: {signal.signal_id!r} was used with another payload"
            letter = dead_letter(subjects.raw(*lane), signal, detail)._replace(row=row)
            return [letter] if is_mine else []
        if not self._waiting.is_waiting(lane):
            place = self._market.place_of(signal.symbol, signal.interval, signal.ts)
            if place != WAITS:
                return [self._answerer.answer(desk, signal, place, row)] if is_mine else []
        # Those of other shards wait here too: the room is full for all shards at once.
        self._waiting.add(signal)
        if self._waiting.count > PENDING_SIGNALS_MAX:
            return self._give_up(self._waiting.oldest_lane(), row)
        return []

    def _on_bad_signal(
        self, signal: Signal, content: bytes, error: WireError, row: int
    ) -> list[Answer]:
        one = Unread(
            signal.signal_id, signal.strategy, signal.symbol, signal.interval, max(signal.ts, 0)
        )
        letter = dead_letter(subjects.raw(signal.strategy, signal.symbol), signal, str(error))
        # The same shard sends both, however the symbol's name is cut to fit a subject.
        letters = [letter] if self._owns(signal.symbol) else []
        answers = self._turn_down(letters, [(row, one)], content, error)
        return [answer._replace(row=row) for answer in answers]

    def _open_desk(self, lane: Lane) -> Desk:
        strategy, symbol = lane
        settings = self._strategies.get(strategy)
        if settings is None:
            raise WireError("unknown_strategy", self._unknown(strategy))
        if len(self._desks) >= DESKS_MAX:
            self._desks.clear()
        width = self._features_count
        desk = Desk(settings, symbol, width, self._vector_digests[strategy])
        self._desks[lane] = desk
        return desk

    def _on_policy(self, policy: Policy) -> list[Answer]:
        try:
            check_policy(policy)
            if policy.strategy not in self._strategies:
                raise WireError("unknown_strategy", self._unknown(policy.strategy))
        except WireError as error:
            return self._letter(subjects.policy(policy.strategy), policy, str(error))
        self._answerer.policies.add(policy)
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
            self._strategies_said.note(event)
        return []

    def _give_up(self, lane: Lane, row: int = 0) -> list[Answer]:
        answer = self._answerer.answer(self._desk(lane), self._waiting.leave(lane), NO_BAR, row)
        return [answer, *self._serve(lane, row)] if self._owns(lane[1]) else self._serve(lane, row)

    def _serve_all(self, symbol: str, row: int) -> list[Answer]:
        return [a for lane in self._waiting.lanes_of(symbol) for a in self._serve(lane, row)]

    def _serve(self, lane: Lane, row: int) -> list[Answer]:
        """Answer a lane's signals from its head until one has to wait."""
        answers: list[Answer] = []
        is_mine = self._owns(lane[1])
        while (signal := self._waiting.head(lane)) is not None:
            place = self._market.place_of(signal.symbol, signal.interval, signal.ts)
            if place == WAITS:
                break
            self._waiting.leave(lane)
            if is_mine:
                answers.append(self._answerer.answer(self._desk(lane), signal, place, row))
        return answers

    def _desk(self, lane: Lane) -> Desk:
        return self._desks.get(lane) or self._open_desk(lane)

    def _unknown(self, strategy: str) -> str:
        known = ", ".join(sorted(self._strategies))
        return f"strategy {strategy!r} is not configured; configured: {known}"
