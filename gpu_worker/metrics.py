"""Figures for Prometheus, served by the supervisor: they are there while the worker loads, hangs or is replaced."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import cast

import redis
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gpu_worker.valkey import Unreachable
from gpu_worker.valkey_names import worker_key
from gpu_worker.worker_status import DRAINING, WorkerStatus, read_status

STATES = ("starting", "idle", "busy", DRAINING)


class WorkerFigures(Collector):
    """Reads the worker's latest status at every scrape; a worker without one is down."""

    def __init__(self, connection: redis.Redis, name: str, restarts: Callable[[], int]) -> None:
        self._connection = connection
        self._name = name
        self._restarts = restarts

    def collect(self) -> Iterable[Metric]:
        status = self._status()
        yield _gauge("up", "Whether the worker process is alive and can reach Valkey", self._name, status is not None)
        restarts = CounterMetricFamily("gpu_worker_restarts", "Times that the process was replaced", labels=["worker"])
        restarts.add_metric([self._name], self._restarts())
        yield restarts
        if status is not None:
            yield from _of(status)

    def _status(self) -> WorkerStatus | None:
        try:
            said = self._connection.get(worker_key(self._name))
        except Unreachable:
            return None
        return read_status(self._name, cast(bytes | None, said))


def serve(address: tuple[str, int], figures: Collector) -> None:
    """Answer scrapes on ``address`` from a thread, until the process ends.

    Raises:
        OSError: the address cannot be listened on.
    """
    registry = CollectorRegistry()
    registry.register(figures)
    host, port = address
    start_http_server(port, host, registry)


def _of(status: WorkerStatus) -> Iterable[Metric]:
    yield _gauge("budget_bytes", "Device memory that may be used", status.name, status.budget_bytes)
    yield _gauge("used_bytes", "Device memory that components hold", status.name, status.used_bytes)
    if status.cards:
        yield from _of_cards(status)
    states = GaugeMetricFamily("gpu_worker_state", "1 for the state that the worker is in", labels=["worker", "state"])
    for state in STATES:
        states.add_metric([status.name, state], status.state == state)
    yield states
    residents = GaugeMetricFamily(
        "gpu_worker_component_bytes", "Size of a resident component", labels=["worker", "component", "key", "tier"]
    )
    for resident in status.residents:
        residents.add_metric([status.name, resident.name, resident.key, resident.tier], resident.size_bytes)
    yield residents
    counts = CounterMetricFamily("gpu_worker_events", "What the worker and its engine count", labels=["worker", "kind"])
    for kind, count in sorted(status.counters.items()):
        counts.add_metric([status.name, kind], count)
    yield counts


def _of_cards(status: WorkerStatus) -> Iterable[Metric]:
    labels = ["worker", "card"]
    used = GaugeMetricFamily("gpu_worker_card_used_bytes", "Memory of one of several cards that is held", labels=labels)
    busy = GaugeMetricFamily("gpu_worker_card_busy", "1 where it has part in the clip that is made", labels=labels)
    for number, card in enumerate(status.cards):
        used.add_metric([status.name, str(number)], card.used_bytes)
        busy.add_metric([status.name, str(number)], card.is_busy)
    yield used
    yield busy


def _gauge(name: str, meaning: str, worker: str, value: float) -> GaugeMetricFamily:
    gauge = GaugeMetricFamily(f"gpu_worker_{name}", meaning, labels=["worker"])
    gauge.add_metric([worker], float(value))
    return gauge
