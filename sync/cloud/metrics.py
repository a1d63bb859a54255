"""Prometheus metrics of the cloud end, in a registry of their own. Labels never carry customers, tokens or SKUs."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from sync.entities import REGISTRY
from sync.protocol import Status

UNKNOWN = "unknown"
_LABELS = {stream: entities[0].label for stream, entities in REGISTRY.streams.items()}


def label_of(stream: str) -> str:
    """Return a stream's label as it is declared; a name that only a store knows is none, or it could make labels without end."""
    return _LABELS.get(stream, UNKNOWN)


class CloudMetrics:
    """Counters and gauges; `render` gives the text exposition."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.rows = Counter(
            "storehub_cloud_rows", "New rows by store and stream", ["store", "stream"], registry=self.registry
        )
        self.batches = Counter(
            "storehub_cloud_batches",
            "Batches by store and what became of them",
            ["store", "result"],
            registry=self.registry,
        )
        self.duplicates = Counter(
            "storehub_cloud_duplicates", "Facts under a known key", ["store", "stream"], registry=self.registry
        )
        self.unread = Counter(
            "storehub_cloud_unread_rows", "Rows kept that nobody here can read", ["store"], registry=self.registry
        )
        self.commits = Counter("storehub_cloud_commits", "Write transactions", ["outcome"], registry=self.registry)
        self.connected = Gauge(
            "storehub_cloud_connected", "1 while a store is connected", ["store"], registry=self.registry
        )
        self.seen = Gauge(
            "storehub_cloud_seen_timestamp_seconds",
            "When a store was heard of last, or this process began",
            ["store"],
            registry=self.registry,
        )
        self.behind = Gauge(
            "storehub_cloud_behind_rows",
            "Rows that a store has and the cloud lacks, as it said",
            ["store"],
            registry=self.registry,
        )
        self.behind_since = Gauge(
            "storehub_cloud_behind_since_timestamp_seconds",
            "Since when the oldest of them waits; 0 for none",
            ["store"],
            registry=self.registry,
        )
        self.clock_offset = Gauge(
            "storehub_cloud_store_clock_offset_seconds",
            "A store's clock less the cloud's, as it said",
            ["store"],
            registry=self.registry,
        )
        self.copies = Gauge(
            "storehub_cloud_store_copies", "Copies in the shop of what it sold", ["store"], registry=self.registry
        )
        self.requests = Counter(
            "storehub_cloud_http_requests", "API requests", ["method", "path", "status"], registry=self.registry
        )

    def expect(self, stores: Iterable[str], *, now_ms: int) -> None:
        """Name the stores that there are: one that never comes is missed, too."""
        for store in stores:
            self.connected.labels(store).set(0)
            self.seen.labels(store).set(now_ms / 1000)

    def hear(self, store: str, status: Status) -> None:
        """Show what a store's hub says of itself; of two hubs the last word."""
        self.behind.labels(store).set(status.waiting)
        self.behind_since.labels(store).set(status.oldest_ms / 1000)
        self.copies.labels(store).set(status.copies)
        if status.clock_offset_ms is not None:
            self.clock_offset.labels(store).set(-status.clock_offset_ms / 1000)

    def count_group(self, _jobs: int, ok: bool) -> None:
        """Count one group commit."""
        self.commits.labels("committed" if ok else "failed").inc()

    def render(self) -> bytes:
        """Return the text exposition format 0.0.4."""
        return generate_latest(self.registry)
