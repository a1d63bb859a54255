"""The till of docs/build-a-till.md as a process: what it prints is kept, what it is to do is typed."""

import asyncio
import re
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "build-a-till.md"
WAIT_S = 60.0


def program(language: str) -> str:
    """Return the one block of the page in a language: `python` is the till, `py` how it asks the network."""
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return str(found)


@dataclass
class PageTill:
    """A running till: `durable` and `safe` are the sales of which it has said so, `at` the hub where it is."""

    process: asyncio.subprocess.Process
    paid: list[str] = field(default_factory=list)
    durable: list[str] = field(default_factory=list)
    safe: set[str] = field(default_factory=set)
    refused: list[str] = field(default_factory=list)
    at: str = ""
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def hear(self) -> None:
        """Take what it prints until it ends."""
        assert self.process.stdout is not None
        while line := (await self.process.stdout.readline()).decode().split():
            word, *rest = line
            if word in ("paid", "durable", "refused"):
                getattr(self, word).append(rest[0])
            elif word == "safe":
                self.safe.add(rest[0])
            elif word in ("online", "offline"):
                self.at = rest[0] if rest else ""
            self.news.set()

    async def until_paid(self, count: int) -> None:
        """Wait until so many sales are paid."""
        async with asyncio.timeout(WAIT_S):
            while len(self.paid) < count:
                self.news.clear()
                await self.news.wait()

    async def until_durable(self, count: int) -> None:
        """Wait until so many answers have come: a sale that is posted again at another hub is answered again."""
        async with asyncio.timeout(WAIT_S):
            while len(self.durable) < count:
                self.news.clear()
                await self.news.wait()

    async def until_safe(self, count: int) -> None:
        """Wait until so many sales are safe."""
        async with asyncio.timeout(WAIT_S):
            while len(self.safe) < count:
                self.news.clear()
                await self.news.wait()

    async def until_at(self, hub: str) -> None:
        """Wait until it is at a hub."""
        async with asyncio.timeout(WAIT_S):
            while self.at != hub:
                self.news.clear()
                await self.news.wait()

    async def sell(self, label: str, sales: int = 1) -> None:
        """Sell one piece each, whatever the hubs are at."""
        assert self.process.stdin is not None
        for _ in range(sales):
            self.process.stdin.write(f"{label}\npay\n".encode())
            await self.process.stdin.drain()
            await self.until_paid(len(self.paid) + 1)

    async def end(self) -> None:
        """End it."""
        with suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()


async def start_till(folder: Path, hub: str, code: str) -> PageTill:
    """Start the page's till in a folder of its own, where its `till.db` is kept."""
    folder.mkdir(exist_ok=True)
    (folder / "till.py").write_text(program("python"), encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "till.py", hub, code),
        cwd=folder,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    return PageTill(process)
