"""How often a time fell between given bounds: counts that only grow."""

from bisect import bisect_left

from engine.shells.reading import Reading

_NS = 1e9


class Histogram:
    """Counts durations below each of `bounds_s`, seconds, ascending, and above the last."""

    __slots__ = ("_bounds_ns", "_bounds_s", "_counts", "_sum_ns")

    def __init__(self, bounds_s: tuple[float, ...]) -> None:
        self._bounds_s = bounds_s
        self._bounds_ns = [int(bound * _NS) for bound in bounds_s]
        self._counts = [0] * (len(bounds_s) + 1)
        self._sum_ns = 0

    def add(self, duration_ns: int, count: int = 1) -> None:
        """Count a duration `count` times."""
        self._counts[bisect_left(self._bounds_ns, duration_ns)] += count
        self._sum_ns += duration_ns * count

    def reading(self, name: str, meaning: str) -> Reading:
        """Return the counts up to each bound, and the sum in seconds."""
        buckets: list[tuple[float, int]] = []
        total = 0
        for bound, count in zip((*self._bounds_s, float("inf")), self._counts, strict=True):
            total += count
            buckets.append((bound, total))
        return Reading("histogram", name, meaning, self._sum_ns / _NS, (), tuple(buckets))
