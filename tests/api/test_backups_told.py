"""What people are told of backups and of the second medium: the manager's list and the metrics."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hub.backup.age import Identity
from hub.backup.noted import Made, Told, note
from tests.conftest import StartHub
from tests.local_hub import STARTED_MS

NOW = datetime.fromtimestamp(STARTED_MS / 1000, UTC)


async def test_late_backups_and_a_medium_that_is_away_are_in_the_managers_list_and_the_metrics(
    start_hub: StartHub, pair_till: Any, until: Callable[..., Any], tmp_path: Path
) -> None:
    away = str(tmp_path / "away")
    s3 = {"endpoint": "https://s3.example", "bucket": "backups", "access_key_id": "x", "secret_key_file": "/no/such"}
    hub = await start_hub(
        backup={"to": "/media/stick", "s3": s3, "feed_to": away, "recipients": [Identity.new().recipient]}
    )
    manager = await pair_till(hub, "manager")

    async def lines() -> dict[str, Any]:
        return {line["id"]: line for line in (await manager.get("/v1/attention")).json["items"]}

    found = await until(lines, lambda there: f"medium:{away}" in there)
    assert found["backup:folder"]["said"]["en"] == "folder: there is none" and found["backup:s3"]
    assert found[f"medium:{away}"]["said"] == {"en": "It is not there", "zh-Hant": "儲存裝置不在"}

    old = Made("old", NOW - timedelta(hours=30), 1, hub.runtime.replica.rep, {})
    note(hub.config.data_dir, {"folder": Told(NOW, old), "s3": Told(NOW, Made("new", NOW, 1, old.rep, {}), "cut")})
    found = await lines()
    assert found["backup:folder"]["said"]["en"] == "folder: the newest is 30 hours old" and "backup:s3" not in found
    assert found["backup:folder"]["age_s"] == 4 * 3600 and found["backup:folder"]["closes"] == "itself"

    text = await (await manager.session.get("/metrics")).text()
    told = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert float(told['storehub_backup_timestamp_seconds{target="folder"}']) == old.made_at.timestamp()
    assert told['storehub_backup_last_ok{target="s3"}'] == told[f'storehub_medium_up{{to="{away}"}}'] == "0.0"
