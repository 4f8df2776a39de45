"""The drift monitor: says when a model has stopped knowing, and asks for what helps.

A pure state machine over OUTCOMES and, where scores are watched too, SCORED. Of virtual outcomes
those that a model spoke on are judged, each by the watch of the model that predicted it; all of
them count for what is learned anew. Everything is said in order of event time, up to what the
labellers and the scorers vouch for: the words do not depend on the order of arrival, within a
stream or between the two.

When another model scores a symbol, the old one's watch ends: later-arriving outcomes of signals
from before are left out, `recovered` is said if drift had been detected, and a return of the
old model is watched anew. A canary speaks beside the model in force: it has a watch of its own,
ends nobody's, and its drift is told but asks for nothing.
"""

from collections import OrderedDict
from collections.abc import Collection
from typing import Any, NamedTuple, Protocol, TypeVar

import msgspec

from engine.answer import Answer
from engine.drift.drift_budget import CALIBRATION, RANKING, watchers
from engine.drift.drift_words import drift_answer, request_answer, word_on
from engine.drift.matured_outcomes import MaturedOutcomes
from engine.drift.model_watch import RECOVERED, Finding, ModelWatch
from engine.drift.relearning import Alarm, Relearning
from engine.drift.watch_state import WatchState
from engine.saved import Saved
from engine.settings import DriftSettings
from streams.events import Drift, Event, Outcome, Progress, Retrain, Scored
from streams.interval import DAY_NS
from streams.watermark import Watermark

LABELLER = "labeller"
SCORER = "scorer"
WATCHES_MAX = 1_000
STRATEGIES_MAX = 1_000
LANES_MAX = 100_000
SCORE_WORDS_WAITING_MAX = 10_000

Key = tuple[str, str]
K = TypeVar("K")
V = TypeVar("V")


class Scores(Protocol):
    """What watches the inputs and the scores of models, before outcomes mature."""

    @property
    def progress_ts(self) -> int:
        """The event time up to which everything has been said."""
        ...

    def step(self, event: Scored | Progress) -> list[Drift]:
        """Take an answer or the scorers' progress; return what is to be told."""
        ...

    def save(self) -> Saved:
        """Return all that is known."""
        ...

    def load(self, saved: Saved) -> None:
        """Go on from there."""
        ...


class _Lane(NamedTuple):
    """The newest signal judged of a (strategy, symbol), and its model."""

    ts: int
    model: str


class DriftMonitor:
    """Watches every model of every strategy by the detectors of `settings`.

    The budget is that of so many `strategies`. With `scores` nothing is said before the scorers
    have vouched for it too. Strategies of `without_models` want none. Raises ConfigError for an
    unknown detector.
    """

    def __init__(
        self,
        settings: DriftSettings,
        strategies: int = 1,
        scores: Scores | None = None,
        *,
        without_models: Collection[str] = (),
    ) -> None:
        self._settings = settings
        self._without_models = frozenset(without_models)
        self._watchers = watchers(settings, strategies)
        self._matured = MaturedOutcomes(int(settings.maturity_days * DAY_NS))
        self._labellers = Watermark()
        self._scores = scores
        self._score_words: list[Drift] = []
        self._watches: OrderedDict[Key, ModelWatch] = OrderedDict()
        self._lanes: OrderedDict[Key, _Lane] = OrderedDict()
        self._relearning: OrderedDict[str, Relearning] = OrderedDict()

    @property
    def progress_ts(self) -> int:
        """The event time up to which everything has been said."""
        if self._scores is None:
            return self._labellers.event_ts
        return min(self._labellers.event_ts, self._scores.progress_ts)

    @property
    def watches_scores(self) -> bool:
        """Whether SCORED is to be read beside OUTCOMES."""
        return self._scores is not None

    def step(self, event: Event) -> list[Answer]:
        """Take an event of OUTCOMES or SCORED; return drift events and requests."""
        if isinstance(event, Outcome):
            return self._judged(self._matured.add(event)) if event.virtual else []
        if isinstance(event, Scored):
            return self._hear(event)
        if not isinstance(event, Progress):
            return []
        if event.role == LABELLER:
            self._labellers.note(event)
        elif event.role == SCORER:
            return [*self._hear(event), *self._release()]
        return self._release()

    def state(self) -> tuple[WatchState, ...]:
        """Return where the watch over each model stands, by strategy and model."""
        return tuple(
            WatchState(
                strategy,
                model,
                watch.outcomes_seen,
                watch.has_reference,
                watch.detectors(),
                watch.changepoint_ts,
                self._outcomes_since_change(strategy),
            )
            for (strategy, model), watch in sorted(self._watches.items(), key=lambda item: item[0])
        )

    def save(self) -> Saved:
        """Return all that the core knows, for `load`."""
        facts: dict[str, Any] = {
            "matured": self._matured.save(),
            "labellers": self._labellers.save(),
            "lanes": [[*key, *lane] for key, lane in self._lanes.items()],
            "watched": [list(key) for key in self._watches],
            "relearning": list(self._relearning),
            "score_words": [msgspec.msgpack.encode(word) for word in self._score_words],
        }
        parts = {f"watch{n}": one.save() for n, one in enumerate(self._watches.values())}
        parts |= {f"strategy{n}": one.save() for n, one in enumerate(self._relearning.values())}
        if self._scores is not None:
            parts["scores"] = self._scores.save()
        return Saved.of(facts, **parts)

    def load(self, saved: Saved) -> None:
        """Go on from `saved`, in a fresh monitor of the same settings."""
        facts = saved.facts
        self._matured.load(facts["matured"])
        self._labellers.load(facts["labellers"])
        self._score_words = [
            msgspec.msgpack.decode(word, type=Drift) for word in facts["score_words"]
        ]
        for strategy, symbol, ts, model in facts["lanes"]:
            self._lanes[strategy, symbol] = _Lane(ts, model)
        for n, (strategy, model) in enumerate(facts["watched"]):
            self._watch(strategy, model).load(saved.part(f"watch{n}"))
        for n, strategy in enumerate(facts["relearning"]):
            self._relearning_of(strategy).load(saved.part(f"strategy{n}"))
        if self._scores is not None:
            self._scores.load(saved.part("scores"))

    def _hear(self, event: Scored | Progress) -> list[Answer]:
        """Let the scores' watch take an event; its words wait for their turn."""
        if self._scores is None:
            return []
        self._score_words += self._scores.step(event)
        excess = len(self._score_words) - SCORE_WORDS_WAITING_MAX
        return [drift_answer(self._score_words.pop(0)) for _ in range(excess)]

    def _release(self) -> list[Answer]:
        """Say what is due by now, in order of event time; of one instant outcomes' words first."""
        now = self.progress_ts
        answers = self._judged(self._matured.release(now))
        due = [word for word in self._score_words if word.ts <= now]
        if not due:
            return answers
        self._score_words = [word for word in self._score_words if word.ts > now]
        answers += [drift_answer(word) for word in due]
        return sorted(answers, key=_said_ts)

    def _judged(self, outcomes: list[tuple[int, Outcome]]) -> list[Answer]:
        return [answer for at, outcome in outcomes for answer in self._judge(at, outcome)]

    def _judge(self, at: int, outcome: Outcome) -> list[Answer]:
        strategy, model, probability = outcome.strategy, outcome.model, outcome.probability
        relearning = self._relearning_of(strategy)
        if model is None or probability is None or not 0.0 <= probability <= 1.0:
            # A NaN would stay in a detector's sums for good.
            relearning.count(outcome.ts, has_model=False)
            return self._asked(at, strategy, "", [])
        relearning.count(outcome.ts, has_model=True)
        answers: list[Answer] = []
        is_stale = False
        if not outcome.canary:
            answers, is_stale = self._follow(at, outcome, model, relearning)
        findings = [] if is_stale else self._findings(outcome, model, probability)
        seen, budget = self._seen(strategy, model), self._settings.budget
        answers += [word_on(one, at, outcome, seen, budget) for one in findings if one.level]
        return answers + self._asked(at, strategy, model, [] if outcome.canary else findings)

    def _findings(self, outcome: Outcome, model: str, probability: float) -> list[Finding]:
        watch = self._watch(outcome.strategy, model)
        return [] if outcome.ts < watch.from_ts else watch.judge(outcome, probability)

    def _follow(
        self, at: int, outcome: Outcome, model: str, relearning: Relearning
    ) -> tuple[list[Answer], bool]:
        """Note which model scores a symbol; return what that ends, and whether that is past."""
        key = (outcome.strategy, outcome.symbol)
        newest = self._lanes.get(key, _Lane(outcome.ts, model))
        is_stale = newest.model != model and outcome.ts <= newest.ts
        kept = newest if is_stale else _Lane(max(newest.ts, outcome.ts), model)
        _use(self._lanes, key, kept, LANES_MAX)
        if is_stale or newest.model == model:
            return [], is_stale
        relearning.replaced(newest.model)
        return self._end(newest.model, at, outcome), False

    def _end(self, old: str, at: int, outcome: Outcome) -> list[Answer]:
        """End the watch over `old`: the model of `outcome` has taken its place."""
        key = (outcome.strategy, old)
        watch = self._watches.get(key)
        if watch is None:
            return []
        self._watches[key] = self._fresh_watch(outcome.ts)
        return [
            word_on(
                Finding(RECOVERED, detector, channel, 0.0, 0.0, outcome.ts, False),
                at,
                outcome,
                watch.outcomes_seen,
                self._settings.budget,
            )
            for detector, channel in watch.detected
        ]

    def _asked(self, at: int, strategy: str, model: str, findings: list[Finding]) -> list[Answer]:
        """Ask for what the findings on the model in force, or the time, make necessary."""
        alarms: dict[str, Alarm] = {}
        for one in findings:
            if one.is_alarm:
                alarms.setdefault(one.channel, Alarm(model, one.detector, one.changepoint_ts))
        if strategy in self._without_models:
            return []
        relearning = self._relearning_of(strategy)
        watch = self._watches.get((strategy, model))
        has_recovered = any(one.level == RECOVERED and one.channel == RANKING for one in findings)
        if has_recovered and (watch is None or watch.ranks_again):
            relearning.recovered(model)
        wanted = relearning.ask(
            alarms.get(RANKING),
            alarms.get(CALIBRATION),
            still_ranks=watch is None or watch.still_ranks,
        )
        return [] if wanted is None else [request_answer(wanted, strategy, at)]

    def _watch(self, strategy: str, model: str) -> ModelWatch:
        key = (strategy, model)
        watch = self._watches.get(key) or self._fresh_watch(0)
        return _use(self._watches, key, watch, WATCHES_MAX)

    def _seen(self, strategy: str, model: str) -> int:
        watch = self._watches.get((strategy, model))
        return 0 if watch is None else watch.outcomes_seen

    def _outcomes_since_change(self, strategy: str) -> int:
        relearning = self._relearning.get(strategy)
        return 0 if relearning is None else relearning.outcomes_since_change

    def _fresh_watch(self, from_ts: int) -> ModelWatch:
        return ModelWatch(self._watchers, self._settings.reference_outcomes, from_ts)

    def _relearning_of(self, strategy: str) -> Relearning:
        relearning = self._relearning.get(strategy) or Relearning(self._settings)
        return _use(self._relearning, strategy, relearning, STRATEGIES_MAX)


def _use(mapping: OrderedDict[K, V], key: K, value: V, at_most: int) -> V:
    """Keep `value` as what was used last; forget what was used longest ago."""
    mapping[key] = value
    mapping.move_to_end(key)
    while len(mapping) > at_most:
        mapping.popitem(last=False)
    return value


def _said_ts(answer: Answer) -> int:
    assert isinstance(answer.event, Drift | Retrain)
    return answer.event.ts
