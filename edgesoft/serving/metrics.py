"""What `/metrics` tells Prometheus; with several workers, of all of them together."""

from __future__ import annotations

import collections
import os

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
    multiprocess,
)

from edgesoft.inference.prediction import Prediction

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Variable that names where the workers lay their numbers; the library reads it when it is imported."""


class Metrics:
    """The counters of one process."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        registry = self._registry
        self._requests = Counter(
            "edgesoft_requests", "Requests, by what was asked and the status.", ["route", "status"], registry=registry
        )
        self._counted: dict[tuple[str, int], tuple[Counter, Histogram]] = {}
        """To find them by their labels takes longer than to count."""
        self._seconds = Histogram(
            "edgesoft_request_seconds",
            "From a request's head to its answer.",
            ["route"],
            buckets=SECONDS,
            registry=registry,
        )
        self._rows = Histogram(
            "edgesoft_batch_rows", "Inputs of one call of a model.", ["model"], buckets=ROWS, registry=registry
        )
        self._refused = Counter("edgesoft_refused", "Requests refused at a limit.", ["reason"], registry=registry)
        self._labels = Counter("edgesoft_answers", "Answers, by label.", ["model", "label"], registry=registry)
        self._unknown = Counter(
            "edgesoft_rejected", 'Pictures and rows that were answered "unknown".', ["model"], registry=registry
        )
        self._reloads = Counter("edgesoft_reloads", "Reloads of the models.", ["result"], registry=registry)
        self._waiting = Gauge(
            "edgesoft_waiting_rows",
            "Inputs that wait for a call.",
            ["model"],
            registry=registry,
            multiprocess_mode="livesum",
        )

    def on_request(self, route: str, status: int, seconds: float) -> None:
        """A request has been answered."""
        counted = self._counted.get((route, status))
        if counted is None:
            counted = self._requests.labels(route, str(status)), self._seconds.labels(route)
            self._counted[route, status] = counted
        counted[0].inc()
        counted[1].observe(seconds)

    def on_refusal(self, reason: str) -> None:
        """A request met a limit."""
        self._refused.labels(reason).inc()

    def on_batch(self, model: str, answers: Prediction) -> None:
        """A model has been called for arrays."""
        self._rows.labels(model).observe(len(answers.labels))
        for label, count in collections.Counter(answers.labels).items():
            self._labels.labels(model, label).inc(count)

    def on_answer(self, model: str, label: str, *, is_rejected: bool) -> None:
        """A picture or a row has been answered."""
        if is_rejected:
            self._unknown.labels(model).inc()
        else:
            self._labels.labels(model, label).inc()

    def on_reload(self, *, is_good: bool) -> None:
        """The models were read again."""
        self._reloads.labels("good" if is_good else "refused").inc()

    def text(self, waiting: dict[str, int]) -> tuple[bytes, str]:
        """All numbers in Prometheus's own form, and the media type; `waiting` has the inputs in each model's queue."""
        for model, rows in waiting.items():
            self._waiting.labels(model).set(rows)
        registry = self._registry
        if SHARED_FOLDER in os.environ:
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry), CONTENT_TYPE_LATEST


def forget_process(pid: int, folder: str) -> None:
    """Leave out of the sums what a worker that has ended was just doing."""
    multiprocess.mark_process_dead(pid, folder)  # type: ignore[no-untyped-call]
