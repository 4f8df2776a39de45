"""Readings as Prometheus's text, or OpenMetrics where that is asked for."""

from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from engine.shells.reading import Reading

PREFIX = "assay_"


class Exposition(Collector):
    """Writes the readings of one process, `labels` being those of every one of them."""

    def __init__(self, labels: Mapping[str, str]) -> None:
        self._labels = dict(labels)
        self._process = ProcessCollector(registry=None)
        self._readings: tuple[Reading, ...] = ()

    def text(self, readings: Iterable[Reading], accept: str = "") -> tuple[bytes, str]:
        """Return the text of `readings`, and its content type, as the Accept header wants it."""
        self._readings = tuple(readings)
        encode, content_type = choose_encoder(accept)
        return encode(self), content_type

    def collect(self) -> Iterator[Metric]:
        """Yield the families that the encoder writes, and those of the process."""
        yield from self._process.collect()
        by_name: dict[str, list[Reading]] = {}
        for reading in self._readings:
            by_name.setdefault(reading.name, []).append(reading)
        for name, found in by_name.items():
            yield self._family(PREFIX + name, found)

    def _family(self, name: str, found: list[Reading]) -> Metric:
        first = found[0]
        if first.kind == "info":
            told = InfoMetricFamily(name, first.meaning, labels=list(self._labels))
            for one in found:
                told.add_metric([*self._labels.values()], dict(one.labels))
            return told
        labels = [*self._labels, *(key for key, _ in first.labels)]
        if first.kind == "histogram":
            spread = HistogramMetricFamily(name, first.meaning, labels=labels)
            for one in found:
                buckets = [(_bound(bound), float(count)) for bound, count in one.buckets]
                spread.add_metric(self._values(one), buckets, one.value)
            return spread
        family_of = CounterMetricFamily if first.kind == "counter" else GaugeMetricFamily
        family = family_of(name, first.meaning, labels=labels)
        for one in found:
            family.add_metric(self._values(one), one.value)
        return family

    def _values(self, one: Reading) -> list[str]:
        return [*self._labels.values(), *(value for _, value in one.labels)]


def _bound(bound: float) -> str:
    return "+Inf" if bound == float("inf") else repr(bound)
