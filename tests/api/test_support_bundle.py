"""What a supporter is given of a hub that has served members: nobody's name, number, address or card, and no token."""

import asyncio
import io
import json
import logging
import tarfile
from pathlib import Path
from typing import Any

import pytest

from hub.client import new_id
from hub.log import JsonFormatter
from hub.support.bundle import write_bundle
from hub.support.masking import HIDDEN, masked, masked_log, masked_text
from sync.errors import StartError

PERSON = {"name": "Chan Tai Man 陳大文", "phone": "9123 4567", "email": "chan.tm@example.com", "card": "HK00123456"}
OF_A_PERSON = ("Chan", "Tai Man", "陳大文", "91234567", "9123 4567", "9123", "chan.tm", "HK00123456", "Lee Siu Ming")
CONFIG = """
[store]
id = "hk01"
name_zh_hant = "示範店"
name_en = "Demo"
currency = "HKD"
phone = "+852 2345 6789"
[api]
port = 8443
[devices.doors]
kind = "mqtt_counter"
store = "hk01"
username = "hub"
password = "hub-secret"
"""


@pytest.fixture
def log_of_everything() -> Any:
    """All that the hub logs, down to DEBUG, as it stands in the journal."""
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield out
    root.removeHandler(handler)
    root.setLevel(before)


async def test_nothing_of_a_member_a_cashier_or_a_token_is_in_it(
    hub: Any, till: Any, pair_till: Any, tmp_path: Path, log_of_everything: io.StringIO
) -> None:
    manager = await pair_till(hub, "manager", "Lee Siu Ming")
    member = {"member_id": new_id(), **PERSON}
    assert (await till.post("/v1/members", member)).status == 201
    assert (await till.post("/v1/sales", till.sale(member_id=member["member_id"]))).status == 201
    await till.get("/v1/members", phone="9123 4567")
    await till.get("/v1/members", q="Chan Tai Man")
    await till.post("/v1/members", member | {"phone": "not a number 9123 4567"})
    await till.request("POST", "/v1/members", b'{"name": "Chan Tai Man", "phone": ')
    configuration, target = tmp_path / "shop.toml", tmp_path / "hk01.tar.gz"
    configuration.write_text(CONFIG, encoding="utf-8")
    log = f"Started storehub.service.\nlook: 9123 4567\n{log_of_everything.getvalue()}".encode()
    said = await asyncio.to_thread(lambda: write_bundle(hub.config, configuration, target, log=log))
    assert target.stat().st_mode & 0o777 == 0o600 and "look through it" in said
    parts = read(target)
    whole = "\n".join(parts.values())
    assert not [each for each in (*OF_A_PERSON, till.token, manager.token, "hub-secret", "2345 6789") if each in whole]
    assert json.loads(parts["books.json"])["rows"]["sale"] == 1, "how much there is does go in"
    assert json.loads(parts["running.json"])["line"]["mode"] == "alone"
    assert {each["about"] for each in json.loads(parts["doctor.json"])} >= {"hub", "database", "disk"}
    assert json.loads(parts["config.json"])["devices"]["doors"]["password"] == HIDDEN
    assert parts["log.jsonl"].startswith(f"Started storehub.service.\nlook: {HIDDEN}\n")


async def test_no_file_is_overwritten(hub: Any, tmp_path: Path) -> None:
    configuration, target = tmp_path / "shop.toml", tmp_path / "bundle"
    configuration.write_text(CONFIG, encoding="utf-8")
    target.touch()
    with pytest.raises(StartError, match="name a new file"):
        await asyncio.to_thread(lambda: write_bundle(hub.config, configuration, target, log=b""))


def test_secrets_go_by_the_name_of_their_key_and_people_by_the_shape_of_what_is_said() -> None:
    given = {
        "token": ["a", "b"],
        "Password": "x",
        "port": 8443,
        "at": "2026-11-22T10:00:00.000+00:00",
        "rows": [1, "9123 4567"],
    }
    kept = {"token": HIDDEN, "Password": HIDDEN, "port": 8443, "at": given["at"], "rows": [1, HIDDEN]}
    assert masked(given) == kept
    assert (
        masked_text("call +852 9123-4567 or mail a.b@c.example, at 12:30:15")
        == f"call {HIDDEN} or mail {HIDDEN}, at 12:30:15"
    )
    assert masked_text("x" * 43) == HIDDEN
    assert masked_text("sale 01920000-7abc-7def-8123-000000000001") == "sale 01920000-7abc-7def-8123-000000000001"
    assert masked_log(b'{"message":"hi","phone":"1"}\nplain 91234567\n\xff') == (
        b'{"message":"hi","phone":"%s"}\nplain %s\n%s\n' % (HIDDEN.encode(), HIDDEN.encode(), "\ufffd".encode())
    )


def read(path: Path) -> dict[str, str]:
    with tarfile.open(path) as tar:
        return {name: tar.extractfile(name).read().decode() for name in tar.getnames()}
