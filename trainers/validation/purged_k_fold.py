"""Purged K-fold: each block in time is tested once, by all of time that does not touch it."""

from collections.abc import Iterator
from typing import Any

from streams.errors import ConfigError
from trainers.splits import Split
from trainers.validation.instant_blocks import instant_blocks
from trainers.validation.label_spans import LabelSpans
from trainers.validation.purge import purged_split
from trainers.validation.span_splitter import SpanSplitter

SPLITS_MAX = 1_000


class PurgedKFold(SpanSplitter):
    """`n_splits` blocks in time of nearly equal size; every sample is tested exactly once.

    Trains on what comes before and after a block, but for labels whose span touches that of a
    tested label, or starts within `embargo_ns` after its end. An instant is never split. A fold
    that would have nothing to train on raises DataError, as do fewer instants than folds.
    Source: Lopez de Prado (2018), chapter 7.
    """

    def __init__(
        self,
        n_splits: int = 5,
        *,
        embargo_ns: int = 0,
        start_ts: Any = None,
        end_ts: Any = None,
    ) -> None:
        super().__init__(embargo_ns=embargo_ns, start_ts=start_ts, end_ts=end_ts)
        if not 2 <= n_splits <= SPLITS_MAX:
            raise ConfigError(f"n_splits must be in [2, {SPLITS_MAX}], was {n_splits}")
        self.n_splits = n_splits

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:  # noqa: N803
        """Return the number of folds, whatever the data."""
        return self.n_splits

    def _divide(self, spans: LabelSpans) -> Iterator[Split]:
        block = instant_blocks(spans.start_ts, self.n_splits)
        for number in range(self.n_splits):
            yield purged_split(spans, block == number, self.embargo_ns)
