"""Walk-forward: each block in time is predicted from the blocks before it, and never again."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from streams.errors import ConfigError, DataError
from trainers.splits import Split, closed_before, opening_instants
from trainers.validation.label_spans import LabelSpans
from trainers.validation.span_splitter import SpanSplitter

SPLITS_MAX = 1_000


class WalkForward(SpanSplitter):
    """Walks by number of folds (`n_splits`) or by dates (`edges`, UTC ns, ascending).

    Anchored without `train_blocks`: trains on all of the past. Rolling with it: on the labels
    that start in that many blocks before the tested one, and tests the first block that has so
    many before it. A training label ends, and its embargo too, strictly before the test opens: as
    nothing later trains, the embargo lies before the test.

    By folds, the samples are cut into `n_splits` + `train_blocks` (anchored: 1) blocks of nearly
    equal size; anchored, these are the splits of `trainers.splits.walk_forward`. By dates, block
    k starts at `edges[k]` and before `edges[k + 1]`; what starts before the first edge is not
    used, nor is a label that has not ended before the last one: it knows what is held out.

    Every sample is tested at most once; an instant is never split between training and test. A
    fold without a training or a test sample is left out; `split` raises DataError where none is
    left.
    """

    def __init__(
        self,
        n_splits: int | None = None,
        *,
        edges: Sequence[int] | None = None,
        train_blocks: int | None = None,
        embargo_ns: int = 0,
        start_ts: Any = None,
        end_ts: Any = None,
    ) -> None:
        super().__init__(embargo_ns=embargo_ns, start_ts=start_ts, end_ts=end_ts)
        if (n_splits is None) == (edges is None):
            raise ConfigError(
                f"give n_splits or edges, one of both, were n_splits={n_splits} and edges={edges}"
            )
        if train_blocks is not None and not 1 <= train_blocks <= SPLITS_MAX:
            raise ConfigError(f"train_blocks must be in [1, {SPLITS_MAX}], was {train_blocks}")
        if n_splits is not None and not 1 <= n_splits <= SPLITS_MAX:
            raise ConfigError(f"n_splits must be in [1, {SPLITS_MAX}], was {n_splits}")
        if edges is not None:
            _check_edges(edges, train_blocks or 1)
        self.n_splits = n_splits
        self.edges = edges
        self.train_blocks = train_blocks

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:  # noqa: N803
        """Return how many folds there are for these labels: those left out do not count."""
        return sum(1 for _ in self.split(X, y, groups))

    def _divide(self, spans: LabelSpans) -> Iterator[Split]:
        start, end = spans
        edges = self._edges(start)
        is_used = start >= edges[0]
        if self.edges is not None:
            is_used &= closed_before(end, edges[-1])
        first = self.train_blocks or 1
        found = 0
        for number in range(first, len(edges) - 1):
            opens_ts, closes_ts = edges[number], edges[number + 1]
            trains_from = edges[0] if self.train_blocks is None else edges[number - first]
            is_known = closed_before(end, opens_ts, self.embargo_ns)
            train = np.flatnonzero(is_used & is_known & (start >= trains_from))
            test = np.flatnonzero(is_used & (start >= opens_ts) & (start < closes_ts))
            if train.size and test.size:
                found += 1
                yield Split(train, test)
        if not found:
            raise DataError(
                f"no fold of {len(edges) - 1 - first} has a sample to train on and one to test: "
                f"{start.size} labels start from {start.min()} to {start.max()}, the embargo is "
                f"{self.embargo_ns} ns. Give a longer history, other edges, or a shorter embargo"
            )

    def _edges(self, start_ts: Any) -> list[int]:
        if self.edges is not None:
            return [int(edge) for edge in self.edges]
        assert self.n_splits is not None
        ordered = np.sort(start_ts)
        opening = opening_instants(ordered, self.n_splits + (self.train_blocks or 1) - 1)
        return [int(ordered[0]), *opening, int(ordered[-1]) + 1]


def _check_edges(edges: Sequence[int], train_blocks: int) -> None:
    if not train_blocks + 2 <= len(edges) <= SPLITS_MAX + train_blocks + 1:
        raise ConfigError(
            f"edges must make {train_blocks} blocks to train on and 1 to {SPLITS_MAX} to test, "
            f"that is {train_blocks + 2} edges or more, were {len(edges)}"
        )
    for earlier, later in itertools.pairwise(edges):
        if not earlier < later:
            raise ConfigError(f"edges must ascend, {earlier} was followed by {later}")
