"""Numbers about the server itself, in Prometheus' text format.

Labels are route templates and statuses, never paths: paths hold profile ids.
"""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """The numbers of one app, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        labels = ("method", "route", "status")
        self._requests = Counter("wayfinder_http_requests", "Requests answered.", labels, registry=self.registry)
        self._seconds = Histogram(
            "wayfinder_http_request_seconds", "Time to answer.", ("route",), buckets=BUCKETS, registry=self.registry
        )
        self._publication = Gauge(
            "wayfinder_publication", "Number of the publication that is served.", registry=self.registry
        )
        self._as_of = Gauge(
            "wayfinder_publication_as_of_seconds", "The data's now of that publication, as Unix time.",
            registry=self.registry,
        )  # fmt: skip
        self._running = Gauge(
            "wayfinder_analytical_questions", "Analytical questions running or waiting.", registry=self.registry
        )

        self._subject_requests = Gauge(
            "wayfinder_subject_requests", "Open subject requests by how they stand to their deadline.", ("standing",),
            registry=self.registry,
        )  # fmt: skip

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered."""
        self._requests.labels(method if method in METHODS else "other", route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def published(self, seq: int, as_of: float) -> None:
        """A publication is served."""
        self._publication.set(seq)
        self._as_of.set(as_of)

    def questions(self, running: int) -> None:
        """So many analytical questions run or wait."""
        self._running.set(running)

    def subject_requests(self, counted: Mapping[str, float]) -> None:
        """So many subject requests are open, by how they stand to their deadline."""
        for standing, count in counted.items():
            self._subject_requests.labels(standing).set(count)

    def text(self) -> bytes:
        """All numbers."""
        return generate_latest(self.registry)
