"""A disk that takes no commit: nothing is acknowledged to the counters' driver, and later each reading counts once."""

from typing import Any

import pytest

from devices.errors import NotRecordedError
from devices.model import CounterReading
from hub.visitors import Visitors


async def test_a_full_disk_records_nothing_and_the_same_readings_count_later(hub: Any) -> None:
    db, visitors = hub.runtime.db, Visitors(hub.runtime)
    readings = [CounterReading(f"d{n}", f"d{n}", in_delta=1, out_delta=0, delta_id="1") for n in range(500)]
    pages = await db.write(lambda tx: tx.execute("PRAGMA page_count").fetchone()[0])
    await db.write(lambda tx: tx.execute(f"PRAGMA max_page_count = {pages}").fetchone())
    with pytest.raises(NotRecordedError):
        await visitors.on_readings("doors", readings)
    assert db.read.execute("SELECT count(*) FROM footfall").fetchone() == (0,)
    await db.write(lambda tx: tx.execute("PRAGMA max_page_count = 1000000").fetchone())
    for _ in range(2):
        await visitors.on_readings("doors", readings)
    assert db.read.execute("SELECT sum(entered) FROM footfall").fetchone() == (500,)
