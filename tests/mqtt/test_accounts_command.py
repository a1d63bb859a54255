"""`storehub mqtt accounts`: a real hub's clients, a real mosquitto with the files that were written."""

import asyncio
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.mqtt.test_broker_ends import hub_process, paired

COUNT = "store/hk01/counter/door/count"


async def accounts(folder: Path, into: Path, *words: str) -> tuple[int | None, str, str]:
    pipe = asyncio.subprocess.PIPE
    line = (sys.executable, "-m", "hub", "mqtt", "accounts", "--mosquitto", str(into), *words)
    process = await asyncio.create_subprocess_exec(
        *line, "--config", str(folder / "hub.toml"), stdout=pipe, stderr=pipe
    )
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


@pytest.mark.usefixtures("mosquitto_installed")
async def test_mosquitto_knows_who_is_paired_and_lets_each_do_what_is_its_own(
    mosquitto: Any,
    connect_to: Callable[..., Any],
    refused: type[Exception],
    free_port: Callable[[], int],
    tmp_path: Path,
) -> None:
    port, files = free_port(), tmp_path / "mosquitto"
    files.mkdir()
    async with hub_process(tmp_path, port, free_port()):
        door = await paired(tmp_path, port)
        code, said, _ = await accounts(tmp_path, files, "--reader", "homeassistant")
        assert code == 0 and "1 devices, 1 of the hub, 1 readers" in said
        assert stat.S_IMODE((files / "passwords").stat().st_mode) == 0o640
        before = (files / "passwords").read_text()
        again = await accounts(tmp_path, files, "--reader", "homeassistant")
        assert "homeassistant\t" not in again[1], "a reader keeps its password"
    reader_line = [line for line in before.splitlines() if line.startswith("homeassistant:")]
    assert reader_line[0] in (files / "passwords").read_text()
    (_, password), *_ = [line.split("\t") for line in said.splitlines() if "\t" in line]

    broker = mosquitto(free_port(), tmp_path, files=files)
    await broker.start()
    reader = await connect_to(broker.port, "homeassistant", password, client_id="reader")
    assert await reader.subscribe("store/hk01/counter/+/count") == 1
    sensor = await connect_to(broker.port, door.till_id, door.token, client_id="door")
    await sensor.publish("store/hk01/counter/other/count", b"not its own")
    await reader.publish(COUNT, b"a reader writes nothing")
    await sensor.publish(COUNT, b"its own")
    kind, body = await reader.receive()
    assert kind == 0x30 and body.endswith(b"its own"), body
    with pytest.raises(refused):
        await connect_to(broker.port, door.till_id, "a wrong token", client_id="thief")
    await broker.stop()


async def test_a_configuration_without_an_account_of_the_hub_s_own_is_refused(tmp_path: Path) -> None:
    (tmp_path / "hub.toml").write_text(
        '[store]\nid = "hk01"\nname_zh_hant = "x"\nname_en = "x"\ncurrency = "HKD"\n', encoding="utf-8"
    )
    code, _, err = await accounts(tmp_path, tmp_path)
    assert code == 78 and "no MQTT device of the configuration has a username" in err
