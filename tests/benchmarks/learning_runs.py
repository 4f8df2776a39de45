"""One run of the learning loop for the benchmark: ours, the oracle's, and the two baselines.

- ours: drift monitor and trainer with the default settings.
- oracle: nobody watches; somebody who knows the changepoint asks the same trainer, with the same
  gate, as soon as it could let anything through, and whenever outcomes have grown by half since.
- never: the first model answers for ever.
- always: every ALWAYS_EVERY outcomes all that is known is fitted, and put in force unjudged.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from engine.settings import DriftSettings
from streams import layer_a
from streams.events import Retrain
from tests.simulation.learning import (
    BREAK_EVEN,
    STRATEGY,
    Acted,
    Stream,
    live,
    stream_of,
)
from tests.trainers.samples import dataset_of, with_signal_columns
from trainers.challenger import Challenger, fit_challenger
from trainers.dataset import DAY_NS
from trainers.settings import TrainSettings

LIVE_BEFORE = 500
MATURED = (500, 1_000, 2_000)
ALWAYS_EVERY = 200
LAW_DRAWS = 6_000
LAW_SEED = 10_000
DELAY_SIGNALS = 10
"""A signal's outcome is known a day after it, when as many others have been made."""

REGIME_SIGNALS = {"RECURRING": 4_500, "GRADUAL": 3_500}

Floats = NDArray[np.float64]


def recovery(
    seed: int, bayes_auc: float, folder: Path, *, is_over_nats: bool = False
) -> dict[str, Any]:
    """How much of the edge acts when so many outcomes of after a FLIP are known.

    A strategy in observe, and one without a model, has none.
    """
    stream = stream_of(
        seed,
        LIVE_BEFORE + MATURED[-1] + 3 * DELAY_SIGNALS,
        bayes_auc=bayes_auc,
        drift="FLIP",
        drift_at=LIVE_BEFORE,
    )
    ours = lived(stream, folder / f"ours-{seed}", is_over_nats=is_over_nats)
    oracle = lived(stream, folder / f"oracle-{seed}", oracle=LIVE_BEFORE)
    law = layer_a.draw(
        np.random.default_rng(LAW_SEED + seed), LAW_DRAWS, bayes_auc=bayes_auc, drift="FLIP"
    )
    places = [LIVE_BEFORE + known + DELAY_SIGNALS for known in MATURED]
    alarms = [d for d in ours.drifts if d.level == "detected" and d.channel == "ranking"]
    first_ts = int(stream.data.ts[stream.start + LIVE_BEFORE])
    late = [d for d in alarms if d.ts >= first_ts]
    return {
        "ours": shares_at(ours, places, law, bayes_auc),
        "oracle": shares_at(oracle, places, law, bayes_auc),
        "delay": (late[0].ts - first_ts) // DAY_NS * DELAY_SIGNALS if late else None,
        "changepoint_error": (late[0].changepoint_ts - first_ts) // DAY_NS * DELAY_SIGNALS
        if late
        else None,
        "false_alarms": len(alarms) - len(late),
    }


def deaths(seed: int, bayes_auc: float, folder: Path) -> dict[str, Any]:
    """What comes into force behind the first alarm, where nothing is left to be known."""
    stream = stream_of(
        seed,
        LIVE_BEFORE + MATURED[-1] + 3 * DELAY_SIGNALS,
        bayes_auc=bayes_auc,
        drift="DEAD",
        drift_at=LIVE_BEFORE,
    )
    ours = lived(stream, folder / f"dead-{seed}")
    first_ts = int(stream.data.ts[stream.start + LIVE_BEFORE])
    alarms = [d.ts for d in ours.drifts if d.level == "detected" and d.channel == "ranking"]
    late = [ts for ts in alarms if ts >= first_ts]
    models = [d for d in ours.deployments if late and d.effective_ts >= late[0]]
    return {
        "delay": (late[0] - first_ts) // DAY_NS * DELAY_SIGNALS if late else None,
        "models": len(models),
    }


def regimes(seed: int, drift: layer_a.Drift, bayes_auc: float, folder: Path) -> dict[str, Any]:
    """The mean R per signal of what is accepted, while the law changes: ours and the baselines."""
    stream = stream_of(
        seed,
        LIVE_BEFORE + REGIME_SIGNALS[drift],
        bayes_auc=bayes_auc,
        drift=drift,
        drift_at=LIVE_BEFORE,
    )
    ours = lived(stream, folder / f"{drift}-{seed}")
    live = stream.data.take(np.arange(len(stream.data)) >= stream.start)
    accepts = {
        "ours": accepted(ours),
        "never": accepted_by(fixed(stream), live.x),
        "always": accepted_by_refits(stream),
        "oracle": stream.samples.probability[stream.start :] >= BREAK_EVEN,
        "nobody": np.ones(len(live), dtype=bool),
    }
    after = np.arange(len(live)) >= LIVE_BEFORE
    return {
        name: float(np.where(taken, live.r_multiple, 0.0)[after].mean())
        for name, taken in accepts.items()
    }


def lived(
    stream: Stream, folder: Path, *, oracle: int | None = None, is_over_nats: bool = False
) -> Acted:
    """Run the roles through `stream`; `oracle`: after how many live signals the law changes."""
    train = TrainSettings()
    return live(
        folder,
        stream,
        drift=DriftSettings() if oracle is None else None,
        train=train,
        asks=Oracle(stream, oracle, train) if oracle is not None else lambda known: None,
        is_over_nats=is_over_nats,
    )


class Oracle:
    """Asks as one who knows when the law changed, by the monitor's rules of growth and review."""

    def __init__(self, stream: Stream, changed: int, train: TrainSettings) -> None:
        drift = DriftSettings()
        self._since_ts = int(stream.data.ts[stream.start + changed])
        self._changed = changed
        self._growth, self._every = drift.refresh_growth, drift.review_outcomes
        # At the change itself the model is taken out of force: nothing can be learned yet.
        self._next, self._review = 0.0, float(drift.review_outcomes)
        self._least = float(train.gate.outcomes_min + train.min_samples)

    def __call__(self, known: int) -> Retrain | None:
        """Return what is asked for when `known` live outcomes are known."""
        since = known - self._changed
        if since >= self._next:
            reason = "refresh:oracle" if self._next else "drift:oracle"
            self._next = max(since * self._growth, self._least)
            return Retrain(f"oracle-{known}", STRATEGY, None, reason, self._since_ts, "drift")
        if known >= self._review:
            self._review += self._every
            return Retrain(f"review-{known}", STRATEGY, None, "review", 0, "drift", 0, "review")
        return None


def shares_at(
    acted: Acted, places: list[int], law: layer_a.Samples, bayes_auc: float
) -> list[float]:
    """The share of the edge that acts at each place of the live stream."""
    data = with_signal_columns(dataset_of(law.features, law.outcome, names=layer_a.FEATURE_NAMES))
    best = layer_a.expected_auc(law.probability, law.probability) - 0.5
    found = []
    for place in places:
        # A row that a model is silent on says nothing of which one is in force.
        spoke = [name for name in acted.model[place : place + DELAY_SIGNALS] if name]
        version = spoke[0] if spoke and not acted.policy[place] else ""
        if not version:
            found.append(0.0)
            continue
        model = acted.models[version]
        said = np.array([model.predict(np.ascontiguousarray(row)) for row in data.x])
        found.append((layer_a.expected_auc(said, law.probability) - 0.5) / best)
    return found


def accepted(acted: Acted) -> NDArray[np.bool_]:
    """Which live signals were accepted: all that nobody spoke on, and all under a policy."""
    silent = np.isnan(acted.probability) | np.array([policy != "" for policy in acted.policy])
    found: NDArray[np.bool_] = silent | (np.nan_to_num(acted.probability) >= BREAK_EVEN)
    return found


def fixed(stream: Stream) -> Challenger | None:
    """The model fitted on all that was known before the live part."""
    return fitted(stream, stream.start)


def fitted(stream: Stream, upto: int) -> Challenger | None:
    """LightGBM on the first `upto` samples of the stream."""
    rows = np.arange(len(stream.data)) < upto
    with threadpool_limits(1):
        return fit_challenger(stream.data.take(rows), "lightgbm", TrainSettings())


def accepted_by(model: Challenger | None, x: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which rows a model accepts, those that it is silent on too."""
    if model is None:
        return np.ones(len(x), dtype=bool)
    said = model.probability(x)
    found: NDArray[np.bool_] = np.isnan(said) | (np.nan_to_num(said) >= BREAK_EVEN)
    return found


def accepted_by_refits(stream: Stream) -> NDArray[np.bool_]:
    """Which live signals a model accepts that is fitted anew every ALWAYS_EVERY outcomes."""
    live = len(stream.data) - stream.start
    parts = []
    for first in range(0, live, ALWAYS_EVERY):
        known = stream.start + max(0, first - DELAY_SIGNALS)
        rows = np.arange(
            stream.start + first, min(stream.start + first + ALWAYS_EVERY, len(stream.data))
        )
        parts.append(accepted_by(fitted(stream, known), stream.data.x[rows]))
    return np.concatenate(parts)
