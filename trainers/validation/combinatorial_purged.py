"""Combinatorial purged cross-validation: many backtest paths from one history.

Time is cut into N groups, and every k of them are tested by the rest: C(N, k) splits. Each group
is tested C(N - 1, k - 1) times, so that the predictions make as many paths through all of time.
Source: Lopez de Prado (2018), chapter 12.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streams.errors import ConfigError, DataError
from trainers.splits import Split
from trainers.validation.instant_blocks import instant_blocks
from trainers.validation.label_spans import LabelSpans
from trainers.validation.purge import purged_split
from trainers.validation.span_splitter import SpanSplitter

SPLITS_MAX = 5_000


class CombinatorialPurged(SpanSplitter):
    """CPCV(n_groups, n_test_groups); splits in the order of `itertools.combinations`.

    Every sample is tested in `n_paths` splits, once on each path. Trains on all labels whose span
    neither touches that of a tested label nor starts within `embargo_ns` after its end; a split
    that would have nothing to train on raises DataError, as do fewer instants than groups.
    """

    def __init__(
        self,
        n_groups: int = 8,
        n_test_groups: int = 2,
        *,
        embargo_ns: int = 0,
        start_ts: Any = None,
        end_ts: Any = None,
    ) -> None:
        super().__init__(embargo_ns=embargo_ns, start_ts=start_ts, end_ts=end_ts)
        if not 1 <= n_test_groups < n_groups:
            raise ConfigError(
                "n_test_groups must be 1 or more and below n_groups, was "
                f"{n_test_groups} of {n_groups}"
            )
        if (splits := math.comb(n_groups, n_test_groups)) > SPLITS_MAX:
            raise ConfigError(
                f"{n_test_groups} test groups of {n_groups} make {splits} splits, {SPLITS_MAX} are "
                "allowed: lower n_groups or n_test_groups"
            )
        self.n_groups = n_groups
        self.n_test_groups = n_test_groups

    @property
    def n_paths(self) -> int:
        """How many paths the predictions make: C(n_groups - 1, n_test_groups - 1)."""
        return math.comb(self.n_groups - 1, self.n_test_groups - 1)

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:  # noqa: N803
        """Return C(n_groups, n_test_groups), whatever the data."""
        return math.comb(self.n_groups, self.n_test_groups)

    def path_splits(self) -> NDArray[np.int64]:
        """Return which split predicts each group on each path, int64 (n_paths, n_groups).

        >>> CombinatorialPurged(4, 2).path_splits().tolist()
        [[0, 0, 1, 2], [1, 3, 3, 4], [2, 4, 5, 5]]
        """
        _, split = np.nonzero(self._tested_groups().T)
        return split.astype(np.int64).reshape(self.n_groups, self.n_paths).T

    def paths(
        self,
        predictions: Sequence[NDArray[np.float64]],
        X: Any = None,  # noqa: N803
        y: Any = None,
        groups: Any = None,
    ) -> NDArray[np.float64]:
        """Reassemble what each split predicted into paths: float64 (n_paths, n), rows as given.

        `predictions[k]` is float[m] for the rows `test` of split k, in their order; the other
        arguments are those of `split`. No value is missing on a path but what was predicted as
        NaN. Raises DataError where the predictions are not those of the splits.
        """
        spans = self.spans(X, groups)
        group = instant_blocks(spans.start_ts, self.n_groups)
        tested = self._tested_groups()
        if len(predictions) != len(tested):
            raise DataError(
                f"predictions must be one array for each of {len(tested)} splits, were "
                f"{len(predictions)}"
            )
        path = np.cumsum(tested, axis=0) - 1
        found = np.full((self.n_paths, group.size), np.nan)
        for split, values in enumerate(predictions):
            rows = np.flatnonzero(tested[split][group])
            if np.shape(values) != rows.shape:
                raise DataError(
                    f"predictions of split {split} must be one for each of its {rows.size} test "
                    f"rows, were of shape {np.shape(values)}"
                )
            found[path[split][group[rows]], rows] = values
        return found

    def _divide(self, spans: LabelSpans) -> Iterator[Split]:
        group = instant_blocks(spans.start_ts, self.n_groups)
        for tested in self._tested_groups():
            yield purged_split(spans, tested[group], self.embargo_ns)

    def _tested_groups(self) -> NDArray[np.bool_]:
        """Which groups each split tests, bool (n_splits, n_groups)."""
        chosen = np.array(list(itertools.combinations(range(self.n_groups), self.n_test_groups)))
        tested = np.zeros((len(chosen), self.n_groups), dtype=bool)
        tested[np.arange(len(chosen))[:, None], chosen] = True
        return tested
