"""Commands as typed at head office or in a shop, beside the loop of a cloud in this process."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

import pytest

from hub.cli import main
from tests.cloud.conftest import OFFICE


def write_cloud_file(folder: Path, port: int, **cloud: str) -> None:
    """Write the file by which commands find a cloud that listens there."""
    more = "".join(f'{key} = "{value}"\n' for key, value in cloud.items())
    office = f'[[tokens]]\nname = "office"\ntoken = "{OFFICE}"\n'
    (folder / "cloud.toml").write_text(f"[cloud]\nport = {port}\n{more}{office}[stores.hk01]\n")


@dataclass(frozen=True)
class Typing:
    """Type a command by the file that it needs, the cloud's or the hub's; return its exit code and what it printed."""

    folder: Path
    capsys: pytest.CaptureFixture[str]

    async def __call__(self, *words: str) -> tuple[int, str, str]:
        file = "cloud.toml" if words[0] == "cloud" else "hub.toml"
        code = await asyncio.to_thread(main, [*words, "--config", str(self.folder / file)])
        said = self.capsys.readouterr()
        return code, said.out, said.err
