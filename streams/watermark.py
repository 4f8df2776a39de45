"""How far a role is that several processes share.

The shards of a role are one generation: their number is in every word of theirs. What each of a
generation has vouched for, the generation has. A word stays true, so the watermark is the best
that any generation vouches for: it never goes back, a shard of a new generation that has not
spoken yet stands where the old generation stood, and one that is gone with a former, larger
generation holds nobody. It does not depend on the order of arrival.
"""

from collections.abc import Mapping
from typing import Any

from streams.events import Progress
from streams.subjects import SHARDS


class Watermark:
    """Merges the progress of the shards of one role.

    `event_ts`: every answer with ts up to it is out. `seq`: every message of the stream that the
    role reads up to it has been answered; `input_seq`: the same of INPUT, where it is read beside
    that. All 0 until each shard of a generation has spoken.
    """

    __slots__ = ("_generations", "event_ts", "input_seq", "seq", "shards")

    def __init__(self) -> None:
        self.event_ts = 0
        self.seq = 0
        self.input_seq = 0
        # How many shards there were in the newest word.
        self.shards = 0
        self._generations: dict[int, tuple[list[int], ...]] = {}

    def save(self) -> dict[str, Any]:
        """Return all that is known, as plain values, for `load`."""
        generations = [[shards, *marks] for shards, marks in self._generations.items()]
        known = (self.event_ts, self.seq, self.input_seq, self.shards)
        return {"generations": generations, "known": known}

    def load(self, saved: Mapping[str, Any]) -> None:
        """Go on from what `save` returned."""
        self._generations = {
            shards: tuple(map(list, marks)) for shards, *marks in saved["generations"]
        }
        self.event_ts, self.seq, self.input_seq, self.shards = saved["known"]

    def note(self, progress: Progress) -> None:
        """Take one shard's word; what no shard can say, its number being too high, is left out."""
        shard, shards = progress.shard, progress.shards
        if not 0 <= shard < shards <= SHARDS:
            return
        self.shards = shards
        if shards not in self._generations:
            self._generations[shards] = ([0] * shards, [0] * shards, [0] * shards)
        known = self._generations[shards]
        words = (progress.event_ts, progress.seq, progress.input_seq)
        for marks, word in zip(known, words, strict=True):
            marks[shard] = max(marks[shard], word)
        times, positions, input_positions = known
        self.event_ts = max(self.event_ts, min(times))
        self.seq = max(self.seq, min(positions))
        self.input_seq = max(self.input_seq, min(input_positions))
