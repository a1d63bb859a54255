"""What a hub writes into its log when clients misbehave: no traceback, whatever bytes they send. Judged on a real process."""

import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import Any

from hub.client import HubClient

NO_HTTP = (b"\x00\x01\x02\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET /v1/products/\xff HTTP/1.1\r\nHost: x\r\n\r\n")
CONFIG = """
[store]
id = "hk01"
name_zh_hant = "示範店"
name_en = "Demo shop"
currency = "HKD"
[api]
port = {port}
"""
WAIT_S = 60.0


async def run_hub(folder: Path, port: int) -> asyncio.subprocess.Process:
    (folder / "hub.toml").write_text(CONFIG.format(port=port), encoding="utf-8")
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "hub", "run", "--config", str(folder / "hub.toml"), stderr=asyncio.subprocess.PIPE
    )


async def ready_port(process: Any) -> tuple[int, list[str]]:
    """Read the log until the hub says that it is ready; return its port and what it said."""
    lines: list[str] = []
    async with asyncio.timeout(WAIT_S):
        while line := (await process.stderr.readline()).decode():
            lines.append(line)
            if '"hub ready"' in line:
                return json.loads(line)["port"], lines
    raise AssertionError(lines)


async def test_bytes_that_are_no_http_leave_no_traceback_in_the_log(tmp_path: Path) -> None:
    process = await run_hub(tmp_path, 0)
    port, _ = await ready_port(process)
    for raw in NO_HTTP:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(raw)
        async with asyncio.timeout(WAIT_S):
            await reader.read()
        writer.close()

    process.send_signal(signal.SIGTERM)
    _, log = await process.communicate()

    assert process.returncode == 0
    assert "traceback" not in log.decode().lower()


async def test_a_port_in_use_is_one_sentence_and_exit_code_1(tmp_path: Path) -> None:
    server = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    process = await run_hub(tmp_path, port)

    _, log = await process.communicate()
    server.close()

    assert process.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in log.decode()
    assert "Traceback" not in log.decode()


async def test_a_second_hub_on_one_folder_is_refused_by_name_of_the_first(tmp_path: Path) -> None:
    first = await run_hub(tmp_path, 0)
    await ready_port(first)

    second = await run_hub(tmp_path, 0)
    _, log = await second.communicate()
    first.send_signal(signal.SIGTERM)
    await first.communicate()

    assert (second.returncode, first.returncode) == (1, 0)
    assert f"in use by process {first.pid}" in log.decode() and "Traceback" not in log.decode()


async def test_a_log_line_is_json_and_never_holds_a_token_a_code_or_a_body(tmp_path: Path) -> None:
    process = await run_hub(tmp_path, 0)
    port, lines = await ready_port(process)
    async with HubClient("http://hub", unix_socket=tmp_path / "hub.sock") as control:
        code = await control.make_code("till")
    async with HubClient(f"http://127.0.0.1:{port}") as till:
        token = (await till.pair(code, "Mrs Chan")).token
        for wrong in ({"sale_id": "secret-sale"}, {"member_id": "secret-member", "lines": "secret-lines"}):
            async with till._session.post("/v1/sales", json=wrong, headers=till._headers) as answer:
                assert answer.status == 422

    process.send_signal(signal.SIGTERM)
    _, rest = await process.communicate()

    log = [json.loads(line) for line in [*lines, *rest.decode().splitlines()]]
    assert all({"at", "level", "logger", "message"} <= set(line) for line in log)
    refusals = [line for line in log if line["message"] == "request refused"]
    assert [(line["status"], line["code"], line["till"]) for line in refusals] == [(422, "invalid_field", "t1")] * 2
    assert not [word for word in (token, code, "secret", "Chan") if word in rest.decode()]
