"""Samples with a known answer, as the trainers see them."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from models.vector import SIGNAL_NAMES
from streams import layer_a
from trainers.dataset import DAY_NS, Dataset

START_TS = 1_577_836_800_000_000_000  # 2020-01-01
PER_DAY = 10


def dataset_of(
    x: NDArray[np.float64],
    y: NDArray[np.int64],
    *,
    per_day: int = PER_DAY,
    hold_days: int = 1,
    names: tuple[str, ...] = (),
) -> Dataset:
    """Samples in time order, `per_day` of them each day, each closed `hold_days` later."""
    count = len(y)
    ts = START_TS + (np.arange(count) // per_day) * DAY_NS
    return Dataset(
        names=names or tuple(f"x{column:02d}" for column in range(x.shape[1])),
        signal_ids=np.array([f"s-{row:06d}" for row in range(count)]),
        symbols=np.array([f"S{row % per_day}" for row in range(count)]),
        ts=ts.astype(np.int64),
        entry_ts=(ts + DAY_NS // 2).astype(np.int64),
        exit_ts=(ts + hold_days * DAY_NS).astype(np.int64),
        x=x.astype(np.float32),
        y=y.astype(np.int8),
        r_multiple=np.where(y == 1, 0.98, -1.02),
    )


def layer_a_dataset(
    count: int,
    seed: int,
    *,
    bayes_auc: float = 0.70,
    drift: layer_a.Drift = "NONE",
    drift_at: int = 0,
) -> Dataset:
    drawn = layer_a.draw(
        np.random.default_rng(seed), count, bayes_auc=bayes_auc, drift=drift, drift_at=drift_at
    )
    return dataset_of(drawn.features, drawn.outcome, names=layer_a.FEATURE_NAMES)


def noise_dataset(count: int, seed: int, columns: int = 40) -> Dataset:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((count, columns))
    return dataset_of(x, (rng.random(count) < 0.45).astype(np.int64))


def with_signal_columns(samples: Dataset) -> Dataset:
    """The same samples with the signal's own score and side behind the features."""
    score = np.full((len(samples), 1), 0.5, dtype=np.float32)
    side = np.ones((len(samples), 1), dtype=np.float32)
    return replace(
        samples,
        names=(*samples.names, *SIGNAL_NAMES),
        x=np.concatenate((samples.x, score, side), axis=1),
    )
