"""Walk-forward by the calendar, and the sealed years after it.

    |-- 2016 --|-- 2017 --|-- 2018 --|-- 2019 --|-- 2020 --|------ 2021 to 2024 ------|
        train      test       test       test       test             held out

That is the default: the first block trains alone, each later one is tested by what is before it,
and the holdout is tested once, at the end. A day is UTC, and its close at midnight still its own.
"""

from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import numpy as np

from streams.errors import ConfigError, DataError
from trainers.optimiser.study_spans import Span
from trainers.splits import Split, closed_before
from trainers.validation.label_spans import label_spans
from trainers.validation.purge import checked_embargo

if TYPE_CHECKING:
    from trainers.validation.walk_forward import WalkForward

DAY_OF_MONTH_MAX = 28
"""Every month has it: blocks of months begin on the same day of each."""


class WalkForwardDates(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Blocks of `block_months` from `first_day`, and the days that are held out, both included.

    The last block is shorter where the months do not come out even. `train_blocks` makes the walk
    rolling; without it, it is anchored at `first_day`.
    """

    first_day: date = date(2016, 1, 1)
    holdout_first_day: date = date(2021, 1, 1)
    holdout_last_day: date = date(2024, 12, 31)
    block_months: Annotated[int, msgspec.Meta(ge=1, le=120)] = 12
    train_blocks: Annotated[int, msgspec.Meta(ge=1, le=1_000)] | None = None

    def __post_init__(self) -> None:
        if self.first_day.day > DAY_OF_MONTH_MAX:
            raise ConfigError(
                f"first_day must be in the first {DAY_OF_MONTH_MAX} days of a month, was "
                f"{self.first_day}"
            )
        if not self.first_day < self.holdout_first_day <= self.holdout_last_day:
            raise ConfigError(
                "first_day, holdout_first_day, holdout_last_day must ascend, were "
                f"{self.first_day}, {self.holdout_first_day}, {self.holdout_last_day}"
            )
        if len(self.block_days) <= (self.train_blocks or 1):
            raise ConfigError(
                f"{len(self.block_days)} blocks of {self.block_months} months from "
                f"{self.first_day} to {self.holdout_first_day} leave none to test after "
                f"{self.train_blocks or 1} to train on: lower block_months or train_blocks, or "
                "begin earlier"
            )

    @property
    def block_days(self) -> tuple[date, ...]:
        """The first day of each block before the holdout."""
        first_month = self.first_day.year * 12 + self.first_day.month - 1
        holdout_month = self.holdout_first_day.year * 12 + self.holdout_first_day.month
        days = (
            date(month // 12, month % 12 + 1, self.first_day.day)
            for month in range(first_month, holdout_month, self.block_months)
        )
        return tuple(day for day in days if day < self.holdout_first_day)

    @property
    def edges(self) -> tuple[int, ...]:
        """The first nanosecond of each block, and of the holdout."""
        days = (*self.block_days, self.holdout_first_day)
        return tuple(_span(day, day).from_ts for day in days)

    def splitter(
        self, *, embargo_ns: int = 0, start_ts: Any = None, end_ts: Any = None
    ) -> "WalkForward":
        """Return the splitter of the days before the holdout."""
        # Every role reads a run file, in which these dates stand: none of them loads scikit-learn.
        from trainers.validation.walk_forward import WalkForward

        return WalkForward(
            edges=self.edges,
            train_blocks=self.train_blocks,
            embargo_ns=embargo_ns,
            start_ts=start_ts,
            end_ts=end_ts,
        )

    def holdout(self, start_ts: Any, end_ts: Any, *, embargo_ns: int = 0) -> Split:
        """Return the one split that tests the labels that start in the holdout.

        Trains on those before it whose label ends, and its embargo too, strictly before: of all
        blocks, or of the last `train_blocks`. Raises DataError where either is empty.
        """
        start, end = label_spans(start_ts, end_ts)
        held_out = _span(self.holdout_first_day, self.holdout_last_day)
        blocks = self.edges[:-1]
        trains_from = blocks[0] if self.train_blocks is None else blocks[-self.train_blocks]
        is_known = closed_before(end, held_out.from_ts, checked_embargo(embargo_ns))
        is_held_out = (start >= held_out.from_ts) & (start <= held_out.to_ts)
        split = Split(
            np.flatnonzero(is_known & (start >= trains_from)), np.flatnonzero(is_held_out)
        )
        if not split.train.size or not split.test.size:
            raise DataError(
                f"the holdout of {self.holdout_first_day} to {self.holdout_last_day} has "
                f"{split.test.size} samples, and {split.train.size} closed before it, both must be "
                "1 or more: give the history of these days, or other days"
            )
        return split


def _span(first: date, last: date) -> Span:
    epoch = date(1970, 1, 1).toordinal()
    return Span(first.toordinal() - epoch, last.toordinal() - epoch)
