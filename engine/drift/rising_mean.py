"""Where a stream's mean began to rise."""

from typing import Any


class RisingMean:
    """The age of the last low of a stream's cumulative excess.

    Excess is over the running mean plus `tolerance`. After a rise that began k values ago,
    `age` is about k.
    """

    def __init__(self, tolerance: float) -> None:
        self._tolerance = tolerance
        self._count = 0
        self._mean = 0.0
        self._excess = 0.0
        self.age = 0

    def update(self, value: float) -> None:
        """Take the next value."""
        self._count += 1
        self._mean += (value - self._mean) / self._count
        self._excess += value - self._mean - self._tolerance
        if self._excess <= 0.0:
            self._excess, self.age = 0.0, 0
        else:
            self.age += 1

    def save(self) -> dict[str, Any]:
        """Return its state."""
        return {
            "count": self._count,
            "mean": self._mean,
            "excess": self._excess,
            "age": self.age,
        }

    def load(self, saved: dict[str, Any]) -> None:
        """Go on from there."""
        self._count, self.age = int(saved["count"]), int(saved["age"])
        self._mean, self._excess = float(saved["mean"]), float(saved["excess"])
