"""What other symbols did before every bar of a history: the stream's own book, driven over it."""

import numpy as np
from numpy.typing import NDArray

from engine.backtests.bar_history import BarHistory
from engine.backtests.feature_columns import BLOCK_ROWS, plain_contexts
from engine.context_book import ContextBook
from engine.context_settings import ContextSettings
from streams.session import Session

Floats = NDArray[np.float64]


def context_rows(history: BarHistory, session: Session, settings: ContextSettings) -> Floats:
    """Return the context of every bar, in the history's order: float64 (n, CONTEXT_SIZE).

    It is what the stream serves that brings these bars by (ts, symbol). Give all symbols at once:
    breadth is counted over those that are there. Raises ConfigError for a reference without bars.
    """
    for reference in settings.references:
        history.rows_of(reference)
    contexts = plain_contexts(history, session)
    if settings.is_empty:
        return contexts
    book = ContextBook(settings, lambda slot: (history.symbols[slot], history.interval))
    for start in range(0, len(history), BLOCK_ROWS):
        rows = history.by_time[start : start + BLOCK_ROWS]
        block = contexts[rows]
        book.take_rows(history.slots[rows], history.ts[rows], history.values[rows], block)
        contexts[rows] = block
    return contexts
