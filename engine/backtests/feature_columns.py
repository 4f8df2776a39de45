"""Features as of chosen bars of a history: every bar moves them, few rows are kept."""

import numpy as np
from numpy.typing import NDArray

from engine.backtests.bar_history import BarHistory
from models.context import CONTEXT_SIZE, UTC_OFFSET_SECONDS
from models.feature_set import FeatureSet
from streams.session import Session

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Served = NDArray[np.float32]

BLOCK_ROWS = 65_536


def plain_contexts(history: BarHistory, session: Session) -> Floats:
    """Return the context of every bar without other symbols: float64 (n, CONTEXT_SIZE)."""
    contexts = np.full((len(history), CONTEXT_SIZE), np.nan)
    contexts[:, UTC_OFFSET_SECONDS] = session.utc_offsets(history.ts)
    return contexts


def features_at(history: BarHistory, rows: Ints, features: FeatureSet, contexts: Floats) -> Served:
    """Return the features as of bars `rows` (int64 (k,), any order): float32 (k, F).

    `contexts` float64 (n, CONTEXT_SIZE), in the history's order.
    """
    wanted, place_of = np.unique(rows, return_inverse=True)
    # Bars that nobody asked about all write the row behind the last.
    places = np.full(len(history), len(wanted), dtype=np.int64)
    places[wanted] = np.arange(len(wanted))
    out = np.empty((len(wanted) + 1, len(features.names)), dtype=np.float32)
    states = features.new_states(len(history.symbols))
    for start in range(0, len(history), BLOCK_ROWS):
        part = slice(start, start + BLOCK_ROWS)
        features.update_places(
            states,
            history.slots[part],
            history.ts[part],
            history.values[part],
            np.ascontiguousarray(contexts[part]),
            places[part],
            out,
        )
    taken: Served = out[place_of]
    return taken
