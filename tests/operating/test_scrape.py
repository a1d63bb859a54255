"""What a scrape shows where the disk hangs, where backups lie and are missing, and of a database that was audited before."""

import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hub.backup.noted import Made, Told, note
from hub.monitoring.disk import DiskFacts, DiskLook, look_at_disk
from hub.monitoring.scrape import Scrape
from hub.store.upkeep.mending import note_done
from tests.hub.days_world import by_hand

RECIPIENT = "age1" + "q" * 58


async def test_a_medium_that_hangs_is_asked_once_and_holds_nobody_up() -> None:
    released, asked = threading.Event(), []

    def look() -> DiskFacts:
        asked.append(threading.current_thread())
        released.wait(60)
        return DiskFacts(free=7)

    disk = DiskLook(look, timeout_s=0.02)
    assert [await disk.facts(), await disk.facts()] == [None, None]
    assert len(asked) == 1 and asked[0].daemon
    released.set()
    asked[0].join()
    assert await DiskLook(look).facts() == await disk.facts() == DiskFacts(free=7)


async def test_a_disk_that_is_gone_does_not_answer(start_hub: Any, tmp_path: Path) -> None:
    def look() -> DiskFacts:
        raise OSError(5, "Input/output error")

    assert await DiskLook(look).facts() is None
    hub = await start_hub()
    facts = look_at_disk(hub.config)
    assert facts.total > facts.free > 0 and facts.database > 0


async def test_the_age_of_the_newest_backup_is_shown(start_hub: Any, tmp_path: Path) -> None:
    hub = await start_hub(backup={"to": str(tmp_path / "medium"), "recipients": [RECIPIENT]})
    scrape = Scrape(hub.runtime)
    name = 'storehub_backup_timestamp_seconds{target="folder"}'

    assert f"{name} 0.0" in (await scrape.render()).decode(), "none was ever made"
    made_at = datetime(2026, 9, 21, 2, 30, tzinfo=UTC)
    note(hub.config.data_dir, {"folder": Told(made_at, Made("hk01", made_at, 1, "hk01:1", {}))})
    shown = (await scrape.render()).decode()
    assert f"{name} 1.7899578e+09" in shown and 'storehub_backup_last_ok{target="folder"} 1.0' in shown
    assert "storehub_backup_configured 1.0" in shown


async def test_an_audit_of_before_the_start_still_counts(start_hub: Any) -> None:
    hub = await start_hub()
    assert b"storehub_audit_timestamp_seconds 0.0" in await Scrape(hub.runtime).render()
    await hub.runtime.db.write(lambda tx: note_done(tx, "audit", found=0, said="", now_ms=1_000))

    shown = await Scrape(hub.runtime).render()
    assert b"storehub_audit_last_ok 1.0" in shown and b"storehub_audit_timestamp_seconds 1.0" in shown


async def test_paper_that_is_owed_is_counted_by_printer_and_age(start_hub: Any) -> None:
    hub = await start_hub(devices={"p1": {"kind": "escpos_printer", "address": "127.0.0.1:9"}})
    by_hand(
        hub.config.database,
        "INSERT INTO print_job (job_id, printer_id, document, mark, state, reason, attempts, created_ms, changed_ms) "
        f"VALUES ('j', 'p1', '{{}}', '', 'queued', '', 0, {hub.clock.now_ms - 90_000}, 0)",
    )

    shown = (await Scrape(hub.runtime).render()).decode()

    assert 'storehub_print_jobs{printer="p1",state="queued"} 1.0' in shown
    assert 'storehub_print_oldest_seconds{printer="p1"} 90.0' in shown


@pytest.mark.parametrize(("is_joined", "copies"), [(False, "1.0"), (True, "2.0")])
async def test_copies_are_told(start_hub: Any, copies: str, *, is_joined: bool) -> None:
    cloud = {"url": "http://127.0.0.1:9", "token": "a-token-of-this-store"} if is_joined else None
    hub = await start_hub(cloud=cloud)

    assert f"storehub_copies {copies}" in (await Scrape(hub.runtime).render()).decode()
