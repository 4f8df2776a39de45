"""A block of history: the bars of one stretch of time, as one run for each series.

Blocks follow one another in time without overlapping, so a replay may publish whole runs where
it would publish instants: a frame for many bars of a symbol instead of one for each instant.
"""

from typing import NamedTuple

from streams.columns import BarColumns

RUN_BARS_MAX = 64


class Block(NamedTuple):
    """All bars of `runs` have ts in [first_ts, last_ts]; `instants` of them are different.

    No run is longer than RUN_BARS_MAX, a series has one run. The run that reaches furthest comes
    first, ties by (symbol, interval): what follows it in the block is not newer than it.
    """

    runs: tuple[BarColumns, ...]
    first_ts: int
    last_ts: int
    instants: int

    @property
    def bars(self) -> int:
        """How many bars there are."""
        return sum(len(run.ts) for run in self.runs)

    @property
    def depth(self) -> int:
        """How many bars the longest run has."""
        return max(len(run.ts) for run in self.runs)
