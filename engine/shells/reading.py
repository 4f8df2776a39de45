"""One figure of a role as whoever watches it reads it: a name, a number, and what it means."""

from typing import Literal, NamedTuple

Kind = Literal["counter", "gauge", "histogram", "info"]
Labels = tuple[tuple[str, str], ...]


class Reading(NamedTuple):
    """A figure at one moment.

    `name` is Prometheus's, without the ending `_total` or `_info`, in base units (seconds, bytes).
    `value` is the number; of a histogram the sum, with the cumulative counts of `buckets` by upper
    bound, the last of them infinite.
    """

    kind: Kind
    name: str
    meaning: str
    value: float
    labels: Labels = ()
    buckets: tuple[tuple[float, int], ...] = ()


def counter(name: str, meaning: str, value: float, **labels: str) -> Reading:
    """Return a count that only grows while the process lives."""
    return Reading("counter", name, meaning, value, tuple(labels.items()))


def gauge(name: str, meaning: str, value: float, **labels: str) -> Reading:
    """Return a figure that goes up and down."""
    return Reading("gauge", name, meaning, value, tuple(labels.items()))


def info(name: str, meaning: str, **labels: str) -> Reading:
    """Return a fact told by its labels."""
    return Reading("info", name, meaning, 1.0, tuple(labels.items()))
