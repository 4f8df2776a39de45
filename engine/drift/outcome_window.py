"""The newest outcomes of one model: when each signal was made, what was said, what came of it."""

import numpy as np

from engine.drift.changepoint import Floats, Ints
from engine.saved import Saved

WINDOW_OUTCOMES_MAX = 5_000
ROWS_AT_FIRST = 128


class OutcomeWindow:
    """The last WINDOW_OUTCOMES_MAX outcomes, in the order of judgement."""

    def __init__(self) -> None:
        self._times = np.zeros(ROWS_AT_FIRST, dtype=np.int64)
        self._probability = np.zeros(ROWS_AT_FIRST, dtype=np.float64)
        self._outcome = np.zeros(ROWS_AT_FIRST, dtype=np.int64)
        self._start = 0
        self._end = 0

    def __len__(self) -> int:
        return self._end - self._start

    @property
    def is_full(self) -> bool:
        """Whether older outcomes have been let go of."""
        return len(self) == WINDOW_OUTCOMES_MAX

    @property
    def times(self) -> Ints:
        """Signal times, a view."""
        return self._times[self._start : self._end]

    @property
    def probability(self) -> Floats:
        """What the model said, a view."""
        return self._probability[self._start : self._end]

    @property
    def outcome(self) -> Ints:
        """1 or 0, a view."""
        return self._outcome[self._start : self._end]

    def add(self, ts: int, probability: float, outcome: int) -> None:
        """Take the next outcome; let go of the oldest when there are too many."""
        if self._end == len(self._times):
            self._make_room()
        self._times[self._end] = ts
        self._probability[self._end] = probability
        self._outcome[self._end] = outcome
        self._end += 1
        self._start = max(self._start, self._end - WINDOW_OUTCOMES_MAX)

    def save(self) -> Saved:
        """Return what is kept."""
        columns = {"times": self.times, "probability": self.probability, "outcome": self.outcome}
        return Saved({}, columns)

    def load(self, saved: Saved) -> None:
        """Go on from there."""
        columns = saved.arrays
        self._start, self._end = 0, len(columns["times"])
        self._times = columns["times"].copy()
        self._probability = columns["probability"].copy()
        self._outcome = columns["outcome"].copy()

    def _make_room(self) -> None:
        """Move what is kept to the front of columns of twice its rows."""
        rows = max(2 * len(self), ROWS_AT_FIRST)
        kept = (self.times, self.probability, self.outcome)
        self._start, self._end = 0, len(self)
        columns = [np.concatenate([one, np.zeros(rows - len(one), one.dtype)]) for one in kept]
        self._times, self._probability, self._outcome = columns
