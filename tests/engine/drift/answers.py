"""Scorers' answers, as the watch over scores hears them."""

from typing import Any

import numpy as np

from streams import layer_a
from streams.events import Scored

DIGEST = "digest-1"
HOUR_NS = 3_600_000_000_000


def answer(signal_id: str, ts: int, **changes: Any) -> Scored:
    fields: dict[str, Any] = {
        "signal_id": signal_id,
        "strategy": "alpha",
        "symbol": "AAA",
        "interval": "1h",
        "ts": ts,
        "side": 1,
        "score": 0.5,
        "price": 100.0,
        "stop": None,
        "features": {},
        "probability": 0.5,
        "final_score": 0.5,
        "accepted": True,
        "mode": "observe",
        "threshold": 0.5,
        "weight": 0.3,
        "model": "alpha-1",
        "reasons": (),
        "inputs": np.zeros(3, dtype="<f4").tobytes(),
        "features_digest": DIGEST,
    }
    return Scored(**(fields | changes))


def answers_of(x: np.ndarray, said: np.ndarray, first: int = 1, **changes: Any) -> list[Scored]:
    """One answer an hour, from hour `first` on, of rows x[n, k] and probabilities."""
    rows = np.asarray(x, dtype="<f4")
    return [
        answer(
            f"s{first + i:06d}",
            ts=(first + i) * HOUR_NS,
            inputs=row.tobytes(),
            **({"probability": p} | changes),
        )
        for i, (row, p) in enumerate(zip(rows, said.tolist(), strict=True))
    ]


def layer_a_answers(
    seed: int, count: int, drift: layer_a.Drift = "NONE", drift_at: int = 0, **changes: Any
) -> list[Scored]:
    """Answers of a model that says what was true before the law changed."""
    rng = np.random.default_rng(seed)
    drawn = layer_a.draw(rng, count, drift=drift, drift_at=drift_at)
    return answers_of(drawn.features, layer_a.sigmoid(drawn.score), **changes)
