"""`storehub closed`: by the shop's own hours, over midnight too; a shop without them is never known to be closed."""

from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest

from hub.cli import main
from hub.commands.closed import open_until, say_whether_closed
from hub.store.model import Shop
from sync.errors import StartError

HOURS = {"1": ("10:00", "22:00"), "5": ("18:00", "02:00"), "6": ("11:00", "24:00")}
ZONE = ZoneInfo("Asia/Hong_Kong")


def at(day: int, clock: str) -> datetime:
    """Return a moment of the week of Monday, 2026-11-23."""
    return datetime.fromisoformat(f"2026-11-{22 + day:02}T{clock}").replace(tzinfo=ZONE)


@pytest.mark.parametrize(
    ("now", "minutes", "until"),
    [
        (at(1, "09:00"), 59, None),
        (at(1, "09:00"), 60, at(1, "22:00")),
        (at(1, "21:59"), 0, at(1, "22:00")),
        (at(1, "22:00"), 600, None),
        (at(2, "12:00"), 0, None),
        (at(5, "23:30"), 0, at(6, "02:00")),
        (at(6, "01:59"), 0, at(6, "02:00")),
        (at(6, "02:00"), 500, None),
        (at(6, "23:59"), 0, at(7, "00:00")),
        (at(7, "00:00"), 60, None),
        (at(7, "23:30"), 30 + 600, at(8, "22:00")),
    ],
)
def test_a_shop_is_open_from_its_hour_until_its_hour(now: datetime, minutes: int, until: datetime | None) -> None:
    found = open_until(HOURS, now, now + timedelta(minutes=minutes))
    assert found == (until and until.replace(tzinfo=None))


def test_the_answer_is_a_sentence_and_an_exit_code(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    told = msgspec.structs.replace(shop, hours=HOURS)
    assert say_whether_closed(told, at(1, "22:00"), minutes=60) == 0
    assert "hk01 is closed at Mon 22:00 (Asia/Hong_Kong), and for 60 minutes" in capsys.readouterr().out
    assert say_whether_closed(told, at(1, "21:00"), minutes=0) == 1
    assert "until Mon 22:00" in capsys.readouterr().out
    with pytest.raises(StartError, match=r"write \[store\] hours"):
        say_whether_closed(shop, at(1, "21:00"), minutes=0)


def test_a_configuration_is_checked_before_anything_runs_on_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "hub.toml"
    file.write_text('[store]\nid = "hk01"\nname_zh_hant = "店"\nname_en = "Shop"\ncurrency = "HKD"\n', encoding="utf-8")
    assert main(["check-config", "--config", str(file)]) == 0
    assert capsys.readouterr().out.startswith("hk01 at 127.0.0.1:8080, 0 devices, data in ")
    assert main(["closed", "--config", str(file)]) == 1
    file.write_text(file.read_text(encoding="utf-8").replace("currency", "curency"), encoding="utf-8")
    assert main(["check-config", "--config", str(file)]) == 78
    assert "did you mean 'currency'" in capsys.readouterr().err
    assert not [path for path in tmp_path.iterdir() if path != file], "nothing is made"
