"""The scorer over all of history at once: the `ml:` block applied as in the stream.

The answerer is the stream's own; only its market is another, in which a place is a row of the
history and the features of every signal's bar are there.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.answerer import Answerer
from engine.backtests.bar_history import BarHistory
from engine.backtests.feature_columns import Served, features_at
from engine.backtests.trade_log import TradeLog
from engine.desk import Desk
from engine.settings import StrategySettings
from engine.signal_maker import signal_id_of
from models.feature_set import FeatureSet
from models.mode import DISABLED, NO_MODEL, decide
from models.onnx_session import Model
from models.vector import digest_of, vector_names
from streams.events import Deployment, Scored, Signal

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Scores(NamedTuple):
    """The answers to k signals, in their order.

    `probability` float64 (k,), NaN where no model spoke; `final_score` in [0, 1]; `accepted` bool;
    `model`: the version that spoke, or None; `reasons` and `mode` as on the wire.
    """

    probability: Floats
    final_score: Floats
    accepted: NDArray[np.bool_]
    model: tuple[str | None, ...]
    reasons: tuple[tuple[str, ...], ...]
    mode: tuple[str, ...]


class HistoryScorer:
    """Answers the signals of one strategy on a history.

    `contexts` float64 (n, CONTEXT_SIZE). Without a model nothing is computed but the mode's word.
    """

    def __init__(
        self,
        settings: StrategySettings,
        history: BarHistory,
        features: FeatureSet,
        contexts: Floats,
    ) -> None:
        self._settings = settings
        self._history = history
        self._features = features
        self._contexts = contexts
        self._market = _HistoryMarket(history)
        self._answerer = Answerer(self._market, features.convergence)
        self._has_model = False

    @property
    def vector_names(self) -> tuple[str, ...]:
        """The names of the served vector, in order."""
        return vector_names(self._features.names, self._settings.features)

    def start_with(self, model: Model) -> None:
        """Let a model speak from the beginning, as that of `ml.model_path`."""
        first = Deployment(self._settings.name, None, model.version, model.digest, 0, None, {})
        self._answerer.deploy(first, model, is_first=True)
        self._has_model = True

    def deploy(self, deployment: Deployment, model: Model | None) -> None:
        """Bring a model into force from its `effective_ts` on; None is the null model."""
        if not self._settings.ml.pinned:
            self._answerer.deploy(deployment, model)
            self._has_model = True

    def vectors(self, log: TradeLog) -> Served:
        """Return what is served for each signal: float32 (k, len(vector_names)).

        The strategy's own signals carry no features beside score and side: those are NaN.
        """
        served = np.full((log.signals, len(self.vector_names)), np.nan, dtype=np.float32)
        count = len(self._features.names)
        served[:, :count] = features_at(
            self._history, log.signal_row, self._features, self._contexts
        )
        served[:, count] = log.score
        served[:, count + 1] = log.side
        return served

    def score(self, log: TradeLog) -> Scores:
        """Return the answer to every signal of `log`."""
        if not self._has_model or not self._settings.ml.enabled:
            return self._unscored(log)
        return _scores(self.answers(log))

    def answers(self, log: TradeLog) -> list[Scored]:
        """Return the answers as the stream publishes them, with their vectors, in order."""
        self._market.fill(
            log.signal_row,
            features_at(self._history, log.signal_row, self._features, self._contexts),
        )
        desks: dict[int, Desk] = {}
        digest = digest_of(self.vector_names)
        said: list[Scored] = []
        for row, slot, signal in self._signals(log):
            if slot not in desks:
                count = len(self._features.names)
                desks[slot] = Desk(self._settings, signal.symbol, count, digest)
            answer = self._answerer.answer(desks[slot], signal, row, 0).event
            assert isinstance(answer, Scored)
            said.append(answer)
        return said

    def _signals(self, log: TradeLog) -> list[tuple[int, int, Signal]]:
        settings, history = self._settings, self._history
        found: list[tuple[int, int, Signal]] = []
        columns = (log.signal_row, log.slot, log.side, log.score, log.price, log.stop)
        rows = zip(*(column.tolist() for column in (*columns, log.has_stop)), strict=True)
        for row, slot, side, score, price, stop, has_stop in rows:
            symbol, ts = history.symbols[slot], int(history.ts[row])
            signal = Signal(
                signal_id=signal_id_of(settings.name, symbol, ts),
                strategy=settings.name,
                symbol=symbol,
                interval=settings.interval,
                ts=ts,
                side=side,
                score=score,
                price=price,
                stop=stop if has_stop else None,
            )
            found.append((row, slot, signal))
        return found

    def _unscored(self, log: TradeLog) -> Scores:
        """One word for all: nobody speaks, and the mode decides by the score alone."""
        ml = self._settings.ml
        decision = decide(ml, 0.0, None, (NO_MODEL,) if ml.enabled else (DISABLED,))
        count = log.signals
        return Scores(
            probability=np.full(count, np.nan),
            final_score=log.score.copy(),
            accepted=np.full(count, decision.accepted),
            model=(None,) * count,
            reasons=(decision.reasons,) * count,
            mode=(decision.mode,) * count,
        )


class _HistoryMarket:
    """What an answerer asks of a market; a place is a row of the history."""

    def __init__(self, history: BarHistory) -> None:
        self._history = history
        self._features: Served = np.empty((0, 0), dtype=np.float32)
        self._place_of: dict[int, int] = {}

    def fill(self, rows: Ints, features: Served) -> None:
        """Know the features as of `rows`."""
        self._features = features
        self._place_of = {row: place for place, row in enumerate(rows.tolist())}

    def row(self, place: int) -> Served:
        """Return the features as of a row of the history."""
        row: Served = self._features[self._place_of[place]]
        return row

    def has_bars(self, place: int, wanted: int) -> bool:
        """Whether the row's symbol had at least `wanted` bars as of it."""
        history = self._history
        return place - int(history.starts[history.slots[place]]) + 1 >= wanted


def _scores(said: list[Scored]) -> Scores:
    return Scores(
        probability=np.array(
            [np.nan if one.probability is None else one.probability for one in said]
        ),
        final_score=np.array([one.final_score for one in said]),
        accepted=np.array([one.accepted for one in said], dtype=np.bool_),
        model=tuple(one.model for one in said),
        reasons=tuple(one.reasons for one in said),
        mode=tuple(one.mode for one in said),
    )
