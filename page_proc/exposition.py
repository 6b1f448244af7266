"""Converts samples to Prometheus' text format, with prometheus_client and its own registry."""

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from page_proc.figures import FIGURES
from page_proc.histogram import Histogram

Sample = tuple[str, tuple[str, ...], float | Histogram]
Family = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily
_KINDS: dict[str, type[Family]] = {
    "counter": CounterMetricFamily,
    "gauge": GaugeMetricFamily,
    "histogram": HistogramMetricFamily,
}


class _Samples(Collector):
    def __init__(self, samples: Iterable[Sample]) -> None:
        self._samples = samples

    def collect(self) -> Iterator[Family]:
        families = {name: _KINDS[kind](name, text, labels=labels) for name, (kind, labels, text) in FIGURES.items()}
        for name, labels, value in self._samples:
            family = families[name]
            if isinstance(family, HistogramMetricFamily):
                assert isinstance(value, Histogram)
                family.add_metric(labels, value.buckets(), value.total)
            else:
                assert not isinstance(value, Histogram)
                family.add_metric(labels, float(value))
        yield from (family for family in families.values() if family.samples)


def exposed(samples: Iterable[Sample]) -> bytes:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Samples(samples))
    return generate_latest(registry)
