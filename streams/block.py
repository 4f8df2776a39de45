"""A block of history: the bars of one stretch of time, as one frame for each interval.

Blocks follow one another in time without overlapping, so a replay may publish a frame for each
where it would publish one for each instant. Nothing is lost by that: a frame's rows stand in the
order in which their bars became known, and a signal is answered as of its own bar.
"""

from typing import NamedTuple

from streams.columns import BarColumns

RUN_BARS_MAX = 128
BLOCK_BARS_MAX = 3_072


class Block(NamedTuple):
    """All bars with ts in [first_ts, last_ts], in frames by (ts, symbol).

    No series has more than RUN_BARS_MAX bars in it, and all have BLOCK_BARS_MAX together, but for
    an instant that alone has more. The frame that reaches furthest comes first, ties by interval:
    what follows it in the block is not newer than it.
    """

    frames: tuple[BarColumns, ...]
    first_ts: int
    last_ts: int
    instants: int

    @property
    def bars(self) -> int:
        """How many bars there are."""
        return sum(len(frame.ts) for frame in self.frames)

    @property
    def depth(self) -> int:
        """How many bars of one series there may be."""
        return min(self.instants, RUN_BARS_MAX)
