"""Prometheus metrics of the hub, in a registry of their own. Labels never carry customers, tokens or SKUs."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from hub.backup.noted import Told
from hub.medium.view import MediumView

_GROUP_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """The hub's counters and gauges; `render` gives the text exposition."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.sales = Counter("storehub_sales", "Sales by how they ended", ["status"], registry=self.registry)
        self.returns = Counter("storehub_returns", "Returns by how they ended", ["status"], registry=self.registry)
        self.commits = Counter("storehub_commits", "Write transactions", ["outcome"], registry=self.registry)
        self.jobs = Histogram(
            "storehub_jobs_per_commit", "Write jobs that shared a commit", buckets=_GROUP_SIZES, registry=self.registry
        )
        self.requests = Counter(
            "storehub_http_requests", "API requests", ["method", "path", "status"], registry=self.registry
        )
        self._requests: dict[tuple[str, str, int], Counter] = {}
        self.scans = Counter(
            "storehub_scans", "Scans by device and result", ["device", "result"], registry=self.registry
        )
        self.prints = Counter(
            "storehub_print_states", "Print job changes", ["printer", "state"], registry=self.registry
        )
        self.readings = Counter(
            "storehub_visitor_readings", "Messages of people counters by verdict", ["verdict"], registry=self.registry
        )
        self.devices = Gauge("storehub_device_ready", "1 when the device is ready", ["device"], registry=self.registry)
        self.sync_up = Gauge("storehub_sync_up", "1 when the line to the cloud is up", registry=self.registry)
        self.sync_waiting = Gauge(
            "storehub_sync_rows_waiting", "Rows that the cloud does not hold yet", ["stream"], registry=self.registry
        )
        self.sync_oldest = Gauge(
            "storehub_sync_oldest_seconds",
            "Age of the oldest fact that the cloud does not hold",
            registry=self.registry,
        )
        self.sync_safe = Gauge("storehub_sync_safe_seq", "Sales up to this seq are safe", registry=self.registry)
        self.audit_last_ok = Gauge(
            "storehub_audit_last_ok", "1 when the last audit of the books found nothing", registry=self.registry
        )
        self.audit_at = Gauge("storehub_audit_timestamp_seconds", "When the books were audited", registry=self.registry)
        self.backup_at = Gauge(
            "storehub_backup_timestamp_seconds",
            "When the newest whole backup of a target was made",
            ["target"],
            registry=self.registry,
        )
        self.backup_ok = Gauge(
            "storehub_backup_last_ok", "1 when the last backup came to its target", ["target"], registry=self.registry
        )
        self.medium_up = Gauge("storehub_medium_up", "1 when the feed copy is written", ["to"], registry=self.registry)
        self.medium_bytes = Gauge("storehub_medium_bytes", "What the feed copy takes", ["to"], registry=self.registry)
        self.medium_seq = Gauge(
            "storehub_medium_safe_seq", "Sales up to this seq are on that medium", ["to"], registry=self.registry
        )
        self.clock_sure = Gauge("storehub_clock_sure", "1 when the hub is sure of the time", registry=self.registry)
        self.clock_offset = Gauge(
            "storehub_clock_offset_seconds", "What is added to the machine's own clock", registry=self.registry
        )
        self.limited = Counter(
            "storehub_limited", "Requests and connections refused as too many", ["what"], registry=self.registry
        )
        self.clients = Gauge("storehub_event_clients", "Connected event sockets", registry=self.registry)
        self.dropped = Gauge(
            "storehub_event_clients_dropped", "Event sockets closed as too slow", registry=self.registry
        )

    def show_sync(self, *, is_up: bool, waiting: dict[str, int], oldest_s: float, safe_seq: int) -> None:
        """Show how the hub stands to the cloud."""
        self.sync_up.set(is_up)
        self.sync_waiting.clear()
        for stream, rows in waiting.items():
            self.sync_waiting.labels(stream).set(rows)
        self.sync_oldest.set(oldest_s)
        self.sync_safe.set(safe_seq)

    def show_audit(self, *, found: int, at_ms: int) -> None:
        """Show what the last audit found."""
        self.audit_last_ok.set(not found)
        self.audit_at.set(at_ms / 1000)

    def show_backups(self, told: Mapping[str, Told]) -> None:
        """Show the newest backup of each target, and whether the last one came there."""
        for target, each in told.items():
            self.backup_ok.labels(target).set(not each.error)
            if each.made is not None:
                self.backup_at.labels(target).set(each.made.made_at.timestamp())

    def show_medium(self, view: MediumView | None) -> None:
        """Show how the feed copy is, where there is one."""
        if view is not None:
            self.medium_up.labels(view.to).set(view.up)
            self.medium_bytes.labels(view.to).set(view.bytes)
            self.medium_seq.labels(view.to).set(view.upto)

    def count_request(self, method: str, path: str, status: int) -> None:
        """Count one request; `path` is a route's, so there are as many as routes."""
        key = (method, path, status)
        counter = self._requests.get(key)
        if counter is None:
            counter = self._requests[key] = self.requests.labels(*key)
        counter.inc()

    def count_group(self, jobs: int, ok: bool) -> None:
        """Count one group commit."""
        self.commits.labels("committed" if ok else "failed").inc()
        self.jobs.observe(jobs)

    def render(self) -> bytes:
        """Return the text exposition format 0.0.4."""
        return generate_latest(self.registry)
