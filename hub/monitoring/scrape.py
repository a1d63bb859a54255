"""What Prometheus is shown at a scrape: values that are there already are read then, so that selling pays nothing for them.

Not here: what is counted while it happens (hub.metrics).
"""

from functools import partial

from hub.backup.noted import read_noted
from hub.disk.levels import STATES
from hub.machine_clock import kernel_is_synchronous
from hub.monitoring.disk import DiskLook, look_at_disk
from hub.runtime import Runtime
from hub.store.selling.printing import open_jobs
from hub.store.upkeep.upkeep import last_done


class Scrape:
    """One hub's figures, asked for by whoever scrapes it."""

    def __init__(self, hub: Runtime) -> None:
        self._hub = hub
        self._disk = DiskLook(partial(look_at_disk, hub.config))
        hub.metrics.show_build(version=hub.version, started_s=hub.started_ms / 1000)

    async def render(self) -> bytes:
        """Return the text exposition of now."""
        metrics, config, room = self._hub.metrics, self._hub.config, self._hub.room.view
        metrics.show_disk(await self._disk.facts())
        metrics.show_room(room.state, states=STATES, reserve=room.reserve_bytes)
        metrics.show_backups(config.backup.targets, read_noted(config.data_dir))
        self._show_line()
        self._show_clock()
        self._show_at_work()
        return metrics.render()

    def _show_line(self) -> None:
        hub, metrics = self._hub, self._hub.metrics
        sync = hub.replication.view()
        oldest_s = hub.now_ms() / 1000 - sync.oldest.timestamp() if sync.oldest else 0.0
        metrics.show_sync(is_up=sync.up, waiting=sync.waiting, oldest_s=oldest_s, safe_seq=sync.safe.upto)
        metrics.show_line(mode=sync.mode, failures=sync.failures, cloud_offset_ms=sync.clock_offset_ms)
        metrics.show_copies(hub.replication.sales_here_only)
        metrics.show_medium(sync.medium)
        metrics.show_standby({sync.standby.role: sync.standby.up} if sync.standby else {})

    def _show_clock(self) -> None:
        hub, metrics = self._hub, self._hub.metrics
        metrics.clock_sure.set(hub.clock.is_sure)
        metrics.clock_offset.set(hub.clock.offset_ms / 1000)
        metrics.clock_synchronous.set(kernel_is_synchronous())
        tls = hub.tls
        metrics.show_certificates(
            {name: each.not_after_ms for name, each in (("hub", tls.leaf), ("store CA", tls.authority)) if each}
            if tls
            else {}
        )

    def _show_at_work(self) -> None:
        hub, metrics = self._hub, self._hub.metrics
        metrics.jobs_waiting.set(hub.db.waiting)
        metrics.clients.set(hub.bus.clients)
        metrics.dropped.set(hub.bus.dropped_clients)
        metrics.show_devices(hub.device_states())
        metrics.show_print_queues(hub.spoolers, open_jobs(hub.db.read), now_ms=hub.now_ms())
        audited = last_done(hub.db.read).get("audit")
        if audited is not None:
            metrics.show_audit(found=audited.found, at_ms=audited.done_ms)
