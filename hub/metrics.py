"""Prometheus metrics of the hub, in a registry of their own. Labels never carry customers, tokens or SKUs.

What is counted while it happens is a counter here; what is there already is shown at a scrape (hub.monitoring.scrape).
"""

from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from devices.supervision.outside import DeviceState
from hub.backup.noted import Told
from hub.medium.view import MediumView
from hub.monitoring.disk import DiskFacts
from hub.store.selling.printing import OpenJobs

_GROUP_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
_COMMIT_S = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


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
        self.commit_seconds = Histogram(
            "storehub_commit_seconds",
            "How long a group of writes took, its commit included",
            buckets=_COMMIT_S,
            registry=self.registry,
        )
        self.jobs_waiting = self._gauge("write_jobs_waiting", "Write jobs that wait for their commit; 512 at most")
        self._counted: dict[tuple[Counter, tuple[str | int, ...]], int] = {}  # since the last scrape
        self.scans = Counter(
            "storehub_scans", "Scans by device and result", ["device", "result"], registry=self.registry
        )
        self.prints = Counter(
            "storehub_print_states", "Print job changes", ["printer", "state"], registry=self.registry
        )
        self.readings = Counter(
            "storehub_visitor_readings", "Messages of people counters by verdict", ["verdict"], registry=self.registry
        )
        self.devices = self._gauge("device_ready", "1 when the device is ready", "device")
        self.limited = Counter(
            "storehub_limited", "Requests and connections refused as too many", ["what"], registry=self.registry
        )
        self.thinned = Counter(
            "storehub_telemetry_thinned", "Rows of telemetry not written to keep room for sales", registry=self.registry
        )
        self.clients = self._gauge("event_clients", "Connected event sockets")
        self.dropped = self._gauge("event_clients_dropped", "Event sockets closed as too slow")
        self.clock_sure = self._gauge("clock_sure", "1 when the hub is sure of the time")
        self.clock_offset = self._gauge("clock_offset_seconds", "What is added to the machine's own clock")
        self.clock_synchronous = self._gauge("clock_synchronous", "1 when a time daemon keeps the machine's clock")
        self._audit_gauges()
        self._line_gauges()
        self._machine_gauges()

    def _audit_gauges(self) -> None:
        self.audit_last_ok = self._gauge("audit_last_ok", "1 when the last audit of the books found nothing")
        self.audit_at = self._gauge("audit_timestamp_seconds", "When the books were audited, 0 for never")

    def _line_gauges(self) -> None:
        self.sync_up = self._gauge("sync_up", "1 when the line to the cloud is up")
        self.sync_mode = self._gauge("sync_mode", "1 at how this hub is joined to its cloud", "mode")
        self.sync_failures = self._gauge("sync_failures", "Contacts that failed in a row")
        self.sync_waiting = self._gauge("sync_rows_waiting", "Rows that the cloud does not hold yet", "stream")
        self.sync_oldest = self._gauge("sync_oldest_seconds", "Age of the oldest fact that the cloud does not hold")
        self.sync_safe = self._gauge("sync_safe_seq", "Sales up to this seq are safe")
        self.cloud_offset = self._gauge(
            "cloud_clock_offset_seconds", "The cloud's clock less the machine's, 0 while unheard"
        )
        self.copies = self._gauge("copies", "On how many machines what was sold is kept: 1 or 2")
        self.here_only = self._gauge("sales_on_one_machine", "Sales that wait for a second machine")
        self.standby_up = self._gauge("standby_up", "1 when the line between the store's two hubs is up", "role")

    def _machine_gauges(self) -> None:
        self.build = self._gauge("build_info", "1 at the version that runs", "version")
        self.started = self._gauge("start_time_seconds", "When this process began")
        self.disk_answers = self._gauge("disk_answers", "1 when the data folder answers within 2 s")
        self.disk_free = self._gauge("disk_free_bytes", "Free for the hub where its data lie")
        self.disk_size = self._gauge("disk_size_bytes", "Size of the file system where its data lie")
        self.disk_reserve = self._gauge("disk_reserve_bytes", "Held back for sales")
        self.disk_state = self._gauge("disk_state", "1 for the state that the disk is in", "state")
        self.database = self._gauge("database_bytes", "Size of the database")
        self.log = self._gauge("database_log_bytes", "Size of the database's write-ahead log")
        self.backup_configured = self._gauge("backup_configured", "1 when backups are configured")
        self.backup_at = self._gauge(
            "backup_timestamp_seconds", "When the newest backup was made, 0 for none", "target"
        )
        self.backup_ok = self._gauge("backup_last_ok", "1 when the last backup came to its target", "target")
        self.medium_up = self._gauge("medium_up", "1 when the feed copy is written", "to")
        self.medium_bytes = self._gauge("medium_bytes", "What the feed copy takes", "to")
        self.medium_seq = self._gauge("medium_safe_seq", "Sales up to this seq are on that medium", "to")
        self.certificates = self._gauge("certificate_end_timestamp_seconds", "Until when a certificate is good", "of")
        self.print_jobs = self._gauge("print_jobs", "Print jobs that have not ended", "printer", "state")
        self.print_oldest = self._gauge("print_oldest_seconds", "Age of the oldest job that waits", "printer")
        self.device_state = self._gauge("device_state", "1 at how a device is", "device", "kind", "health", "reason")
        self._device_counters = _DeviceCounters()
        self.registry.register(self._device_counters)
        ProcessCollector(registry=self.registry)

    def _gauge(self, name: str, said: str, *labels: str) -> Gauge:
        return Gauge(f"storehub_{name}", said, labels, registry=self.registry)

    def show_build(self, *, version: str, started_s: float) -> None:
        """Show which program this is, and since when."""
        self.build.labels(version).set(1)
        self.started.set(started_s)

    def show_sync(self, *, is_up: bool, waiting: dict[str, int], oldest_s: float, safe_seq: int) -> None:
        """Show how the hub stands to the cloud."""
        self.sync_up.set(is_up)
        self.sync_waiting.clear()
        for stream, rows in waiting.items():
            self.sync_waiting.labels(stream).set(rows)
        self.sync_oldest.set(oldest_s)
        self.sync_safe.set(safe_seq)

    def show_line(self, *, mode: str, failures: int, cloud_offset_ms: int | None) -> None:
        """Show how the line is meant to be, and what the cloud's clock says where it was heard."""
        _show_all(self.sync_mode, {mode: 1})
        self.sync_failures.set(failures)
        self.cloud_offset.set((cloud_offset_ms or 0) / 1000)

    def show_copies(self, sales_here_only: int | None) -> None:
        """Show on how many machines the sales are; None: on this one only, for good."""
        self.copies.set(1 if sales_here_only is None else 2)
        self.here_only.set(sales_here_only or 0)

    def show_standby(self, up_by_role: Mapping[str, bool]) -> None:
        """Show the line to the store's other hub, where there is one."""
        _show_all(self.standby_up, up_by_role)

    def show_disk(self, facts: DiskFacts | None) -> None:
        """Show what lies on the disk; None where it does not answer: then the last figures stand."""
        self.disk_answers.set(facts is not None)
        if facts is None:
            return
        self.disk_free.set(facts.free)
        self.disk_size.set(facts.total)
        self.database.set(facts.database)
        self.log.set(facts.log)

    def show_room(self, state: str, *, states: Iterable[str], reserve: int) -> None:
        """Show what gives way to sales, and how much is held back for them."""
        self.disk_reserve.set(reserve)
        _show_all(self.disk_state, {each: each == state for each in states})

    def show_backups(self, targets: Iterable[str], told: Mapping[str, Told]) -> None:
        """Show the newest backup of each target that is configured, and whether the last one came there."""
        made = {target: told[target].made if target in told else None for target in targets}
        self.backup_configured.set(bool(made))
        _show_all(self.backup_at, {target: each.made_at.timestamp() if each else 0 for target, each in made.items()})
        _show_all(self.backup_ok, {target: not told[target].error for target in made if target in told})

    def show_medium(self, view: MediumView | None) -> None:
        """Show how the feed copy is, where there is one."""
        if view is not None:
            self.medium_up.labels(view.to).set(view.up)
            self.medium_bytes.labels(view.to).set(view.bytes)
            self.medium_seq.labels(view.to).set(view.upto)

    def show_certificates(self, ends_ms: Mapping[str, int]) -> None:
        """Show until when they are good."""
        _show_all(self.certificates, {of: end_ms / 1000 for of, end_ms in ends_ms.items()})

    def show_devices(self, states: Iterable[DeviceState]) -> None:
        """Show how each device is, and what its driver counted."""
        self._device_counters.states = tuple(states)
        self.device_state.clear()
        for each in self._device_counters.states:
            self.device_state.labels(each.device_id, each.kind, each.health, each.reason).set(1)

    def show_print_queues(self, printers: Iterable[str], jobs: Iterable[OpenJobs], *, now_ms: int) -> None:
        """Show what waits for each printer."""
        self.print_jobs.clear()
        self.print_oldest.clear()
        for printer in printers:
            self.print_oldest.labels(printer).set(0)
            for state in ("queued", "printing"):
                self.print_jobs.labels(printer, state).set(0)
        for each in jobs:
            self.print_jobs.labels(each.printer_id, each.state).set(each.jobs)
            if each.state == "queued":
                self.print_oldest.labels(each.printer_id).set((now_ms - each.since_ms) / 1000)

    def show_audit(self, *, found: int, at_ms: int) -> None:
        """Show what the last audit found."""
        self.audit_last_ok.set(not found)
        self.audit_at.set(at_ms / 1000)

    def count_request(self, method: str, path: str, status: int) -> None:
        """Count one request; `path` is a route's, so there are as many as routes."""
        self._count(self.requests, method, path, status)

    def count_sale(self, status: str) -> None:
        """Count one sale by how it ended."""
        self._count(self.sales, status)

    def count_print(self, printer: str, state: str) -> None:
        """Count one change of a print job."""
        self._count(self.prints, printer, state)

    def count_group(self, jobs: int, ok: bool) -> None:
        """Count one group commit."""
        self._count(self.commits, "committed" if ok else "failed")
        self.jobs.observe(jobs)

    def _count(self, family: Counter, *labels: str | int) -> None:
        """Count here what a sale is counted by: the library looks a counter up under one lock, and counts under another."""
        key = (family, labels)
        self._counted[key] = self._counted.get(key, 0) + 1

    def render(self) -> bytes:
        """Return the text exposition format 0.0.4."""
        counted, self._counted = self._counted, {}
        for (family, labels), count in counted.items():
            family.labels(*labels).inc(count)
        return generate_latest(self.registry)


class _DeviceCounters(Collector):
    """What drivers count themselves: totals since the start, under names of their own."""

    states: tuple[DeviceState, ...] = ()

    def describe(self) -> Iterator[CounterMetricFamily]:
        """Name it without asking."""
        yield _device_events()

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Return the totals."""
        family = _device_events()
        for each in self.states:
            for what, total in each.counters.items():
                family.add_metric([each.device_id, what], total)
        yield family


def _device_events() -> CounterMetricFamily:
    return CounterMetricFamily("storehub_device_events", "What a driver counted", labels=["device", "what"])


def _show_all(gauge: Gauge, values: Mapping[str, float]) -> None:
    """Show these and no others: what is gone is not shown as it was."""
    gauge.clear()
    for label, value in values.items():
        gauge.labels(label).set(value)
