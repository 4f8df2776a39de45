"""The matured outcomes of every model, as far as a picture asks: bounded, newest kept."""

from collections import OrderedDict, deque
from typing import NamedTuple

import numpy as np

from deploy.monitor.picture import Scores
from engine.drift.matured_outcomes import MaturedOutcomes
from streams.events import Event, Outcome, Progress
from streams.interval import DAY_NS
from streams.watermark import Watermark
from trainers.evaluation.figure import NO_OUTCOMES, auc_figure, mean_figure, share_figure, unknown
from trainers.evaluation.reliability import reliability

OUTCOMES_PER_MODEL_MAX = 20_000
MODELS_KEPT_MAX = 400
STRATEGIES_KEPT_MAX = 1_000
SEED = 7
"""Of the draws that tell what a perfect model's calibration error is."""

NOTHING = Scores(
    outcomes=0,
    auc=unknown(NO_OUTCOMES),
    expected=None,
    observed=unknown(NO_OUTCOMES),
    miss=unknown(NO_OUTCOMES),
    ece=None,
    ece_perfect=None,
    ece_perfect_95=None,
)


class _Judged(NamedTuple):
    ts: int
    y: int
    probability: float


class JudgedOutcomes:
    """Takes OUTCOMES in stream order; an outcome counts when the labeller's watermark passes it.

    The same outcomes are judged, in the same order, as by the drift monitor.
    """

    def __init__(self, maturity_days: float) -> None:
        self.newest_ts = 0
        self._matured = MaturedOutcomes(int(maturity_days * DAY_NS))
        self._labellers = Watermark()
        self._models: OrderedDict[tuple[str, str], deque[_Judged]] = OrderedDict()
        self._seen: dict[tuple[str, str], int] = {}
        self._times: OrderedDict[str, deque[int]] = OrderedDict()
        self._newest_model: dict[str, str] = {}
        self._known: dict[tuple[str, str], tuple[int, Scores]] = {}

    @property
    def strategies(self) -> set[str]:
        """Those of which an outcome has matured."""
        return set(self._times)

    def step(self, event: Event) -> None:
        """Take an outcome or a progress of the labeller."""
        if isinstance(event, Outcome):
            if event.virtual:
                self._judge(self._matured.add(event))
        elif isinstance(event, Progress) and event.role == "labeller":
            self._labellers.note(event)
            self._judge(self._matured.release(self._labellers.event_ts))

    def since(self, strategy: str, ts: int) -> int:
        """Return how many outcomes of a strategy were judged behind event time `ts`."""
        return sum(at > ts for at in self._times.get(strategy, ()))

    def newest_model(self, strategy: str) -> str:
        """Return the model that spoke last for a strategy, canaries left out; "" before any."""
        return self._newest_model.get(strategy, "")

    def scores(self, strategy: str, model: str) -> Scores:
        """Return what a model's probabilities were worth."""
        key = (strategy, model)
        judged = self._models.get(key)
        if not judged:
            return NOTHING
        seen, scores = self._known.get(key, (0, NOTHING))
        if seen != self._seen[key]:
            scores = _scored(judged)
            self._known[key] = (self._seen[key], scores)
        return scores

    def _judge(self, released: list[tuple[int, Outcome]]) -> None:
        for at, outcome in released:
            self.newest_ts = max(self.newest_ts, at)
            times = self._times.setdefault(outcome.strategy, deque(maxlen=OUTCOMES_PER_MODEL_MAX))
            times.append(at)
            while len(self._times) > STRATEGIES_KEPT_MAX:
                old_strategy, _ = self._times.popitem(last=False)
                self._newest_model.pop(old_strategy, None)
            p = outcome.probability
            if outcome.model is None or p is None or not 0.0 <= p <= 1.0:
                continue
            if not outcome.canary:
                self._newest_model[outcome.strategy] = outcome.model
            key = (outcome.strategy, outcome.model)
            kept = self._models.setdefault(key, deque(maxlen=OUTCOMES_PER_MODEL_MAX))
            kept.append(_Judged(outcome.ts, outcome.y_binary, p))
            self._seen[key] = self._seen.get(key, 0) + 1
            self._models.move_to_end(key)
            while len(self._models) > MODELS_KEPT_MAX:
                old, _ = self._models.popitem(last=False)
                self._seen.pop(old, None)
                self._known.pop(old, None)


def _scored(judged: deque[_Judged]) -> Scores:
    y = np.array([one.y for one in judged], dtype=np.int8)
    probability = np.array([one.probability for one in judged])
    days = np.array([one.ts for one in judged], dtype=np.int64) // DAY_NS
    reliable = reliability(y, probability, days, seed=SEED)
    return Scores(
        outcomes=int(y.size),
        auc=auc_figure(y, probability, days),
        expected=float(probability.mean()),
        observed=share_figure(y == 1, days),
        miss=mean_figure(y - probability, days),
        ece=reliable.ece,
        ece_perfect=reliable.ece_perfect,
        ece_perfect_95=reliable.ece_perfect_95,
    )
