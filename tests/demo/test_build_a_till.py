"""docs/build-a-till.md, lived through against `./run`: commands in one shell, outputs held against what came, its till."""

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from hub.client import CloudClient

PAGE = Path(__file__).parents[2] / "docs" / "build-a-till.md"
WAIT_S = 60.0
MARK = "== end of block =="
TOLD = ("code", "kind", "state", "why", "pointer", "title", "sku", "status", "scope", "mode", "type", "total", "refund")
MORE = "…"  # a key that says: and others
MILK_TEA = "4899990000321"

Started = Callable[..., AbstractAsyncContextManager[Any]]


def blocks() -> list[tuple[str, str]]:
    """Return the page's code blocks in order: language and text."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def steps() -> list[tuple[str, str, str]]:
    """Return each command block with the kind and text of the output shown under it."""
    found = [*blocks(), ("", "")]
    return [
        (text, *(following if following[0] in ("json", "text") else ("", "")))
        for (language, text), following in pairwise(found)
        if language == "sh"
    ]


def documents(text: str) -> Iterator[Any]:
    """Yield JSON documents that stand one after the other."""
    decoder, text = json.JSONDecoder(), text.strip()
    while text:
        document, end = decoder.raw_decode(text)
        yield document
        text = text[end:].strip()


def differences(shown: Any, came: Any, at: str = "") -> Iterator[str]:
    """Yield where what came is not of the shape that the page shows; a list is as long as it likes, but not empty."""
    if isinstance(shown, dict) and isinstance(came, dict):
        if missing := shown.keys() - came.keys() - {MORE}:
            yield f"{at}: the page shows {sorted(missing)}, which did not come"
        if MORE not in shown and (more := came.keys() - shown.keys()):
            yield f"{at}: {sorted(more)} came, which the page does not show"
        for key in (shown.keys() & came.keys()) - {"next"}:
            yield from differences(shown[key], came[key], f"{at}/{key}")
            if key in TOLD and shown[key] != came[key]:
                yield f"{at}/{key}: the page shows {shown[key]!r}, {came[key]!r} came"
    elif isinstance(shown, list) and isinstance(came, list):
        if len(shown) > len(came):
            yield f"{at}: the page shows {len(shown)}, {len(came)} came"
        for n, (one, other) in enumerate(zip(shown, came, strict=False)):
            yield from differences(one, other, f"{at}/{n}")
    elif type(shown) is not type(came):
        yield f"{at}: the page shows {shown!r}, {came!r} came"


def shape(text: str) -> str:
    """Return a text with each number, id and series in the place of which another may come."""
    text = re.sub(r"\bt\d+-[0-9A-Z]{4}-\d{6}\b|\b[0-9a-f]{16}\b|\b\d{6,}\b|127\.0\.0\.1:\d+", "N", text)
    return re.sub(r'"upto":\d+', '"upto":N', text.strip())


@pytest.fixture
async def shop(started: Started, tmp_path: Path) -> AsyncIterator[Any]:
    """A demo store whose data folder is where ./run has it, seen from `tmp_path`."""
    async with started(tmp_path / ".demo", "--no-shoppers") as demo:
        yield demo


async def test_every_command_of_the_page_answers_as_the_page_shows(shop: Any, tmp_path: Path) -> None:
    script = f"\necho; echo '{MARK}'\n".join(command for command, _, _ in steps())
    shell = await asyncio.create_subprocess_exec(
        "bash", "-eu", "-c", script, cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(WAIT_S):
        out, err = await shell.communicate()
    assert shell.returncode == 0, (out[-2000:].decode(), err[-2000:].decode())
    came = out.decode().split(MARK)
    assert len(came) == len(steps()) > 12
    wrong = []
    for (command, kind, shown), said in zip(steps(), came, strict=True):
        if kind == "json":
            pairs = list(zip(documents(shown), documents(said), strict=True))
            wrong += [(command, each) for pair in pairs for each in differences(*pair)]
        elif shape(said) != shape(shown):
            wrong.append((command, said))
    assert not wrong, "\n".join(map(str, wrong))


class TillProcess:
    """The page's till as a process; everything it prints is a line."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def type(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{text}\n".encode())
        await self.process.stdin.drain()

    async def read_until(self, word: str) -> list[str]:
        """Return the line that begins with a word, cut into words."""
        assert self.process.stdout is not None
        async with asyncio.timeout(WAIT_S):
            while line := (await self.process.stdout.readline()).decode():
                if line.startswith(word):
                    return line.split()
        raise AssertionError(f"the till ended before it said {word}")


@asynccontextmanager
async def running_till(folder: Path, hub: str, code: str) -> AsyncIterator[TillProcess]:
    (program,) = [text for language, text in blocks() if language == "python"]
    (folder / "till.py").write_text(program, encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "till.py", hub, code, "lane1-scanner"),
        cwd=folder,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield TillProcess(process)
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


async def test_the_till_of_the_page_sells_by_scanner_alone_and_after_the_hub_is_back(
    started: Started, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    port = free_port()
    async with AsyncExitStack() as life:
        async with started(tmp_path / "store", "--no-shoppers", port=port) as demo:
            facts = demo.facts
            till = await life.enter_async_context(running_till(tmp_path, facts["hub"], facts["pairing_code"]))
            await till.read_until("online")
            Path(facts["scanner_pty"]).write_bytes(MILK_TEA.encode() + b"\r")
            assert "MLKT-280" in " ".join(await till.read_until("basket"))
            await till.type(MILK_TEA)
            await till.read_until("basket")
            await till.type("pay")
            _, first, total = await till.read_until("paid")
            assert total == "2000", "two drinks are 20 dollars by promotion"
            await till.read_until(f"durable {first}")
            await till.read_until(f"safe {first}")
        await till.read_until("offline")
        await till.type(MILK_TEA)
        await till.read_until("basket")
        await till.type("pay")
        _, alone, total = await till.read_until("paid")
        assert total == "1290"
        async with started(tmp_path / "store", "--no-shoppers", port=port) as demo:
            await till.read_until(f"durable {alone}")
            await till.read_until(f"safe {alone}")
            async with CloudClient(demo.facts["cloud"], demo.facts["cloud_token"]) as cloud:
                sales = {row["row"]["sale"]["sale_id"]: row["row"] for row in (await cloud.feed("sales")).rows}
    assert sales.keys() == {first, alone}
    assert sales[alone]["sale"]["offline"] is True
    assert "offline" not in sales[first]["sale"]
