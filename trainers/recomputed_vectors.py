"""Served vectors made anew from bars, for the signals that were served.

An extraction makes the signals anew too. This takes the signals as they were, an external engine's
as well, and asks only what their bars say now.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from engine.backtests.bar_history import BarHistory
from engine.backtests.context_rows import context_rows
from engine.backtests.feature_columns import features_at
from engine.context_settings import NO_CONTEXT, ContextSettings
from models.feature_set import FeatureSet
from streams.errors import DataError
from streams.session import Session
from trainers.dataset import Dataset


def recompute_vectors(
    served: Dataset,
    history: BarHistory,
    features: FeatureSet,
    session: Session,
    context: ContextSettings = NO_CONTEXT,
) -> Dataset:
    """Return `served` with every market feature as the bars of `history` give it.

    The signal's own columns and the label stay. Signals without a bar at their ts are left out.
    Raises DataError where none has one, or no column is a market feature.
    """
    computed = {name: place for place, name in enumerate(features.names)}
    ours = [place for place, name in enumerate(served.names) if name in computed]
    if not ours:
        raise DataError(
            f"no column of {', '.join(served.names[:5]) or 'the samples'} is a market feature of "
            "this version: there is nothing to compute from bars"
        )
    bars = _bars_of(served, history)
    kept = np.flatnonzero(bars >= 0)
    if len(served) and not kept.size:
        raise DataError(
            f"none of {len(served)} signals has a bar at its ts in the history of "
            f"{', '.join(history.symbols[:5])}: give the bars of their symbols, interval and "
            "session"
        )
    samples = served.take(kept)
    contexts = context_rows(history, session, context)
    values = features_at(history, bars[kept], features, contexts)
    x = samples.x.copy()
    x[:, ours] = values[:, [computed[served.names[place]] for place in ours]]
    return replace(samples, x=x)


def _bars_of(samples: Dataset, history: BarHistory) -> NDArray[np.int64]:
    """Return the row of each signal's bar in the history, -1 where there is none: int64[n]."""
    found = np.full(len(samples), -1, dtype=np.int64)
    for symbol in np.unique(samples.symbols).tolist():
        slot = history.slot_of.get(symbol)
        start, end = (0, 0) if slot is None else history.starts[slot : slot + 2].tolist()
        if start == end:
            continue
        rows = np.flatnonzero(samples.symbols == symbol)
        places = np.searchsorted(history.ts[start:end], samples.ts[rows])
        bars = start + np.minimum(places, end - start - 1)
        is_there = history.ts[bars] == samples.ts[rows]
        found[rows[is_there]] = bars[is_there]
    return found
