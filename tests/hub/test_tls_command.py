"""A hub on the LAN in a process of its own, and the commands that ask about its certificate."""

import asyncio
import re
import socket
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hub.tls.files import AUTHORITY, LEAF

CONFIG = """
[store]
id = "hk01"
name_zh_hant = "店"
name_en = "Shop"
currency = "HKD"
[api]
host = "{host}"
port = {port}
"""
WAIT_S = 60.0


def configured(folder: Path, port: int, host: str = "0.0.0.0") -> Path:
    path = folder / "hub.toml"
    path.write_text(CONFIG.format(host=host, port=port), encoding="utf-8")
    return path


async def storehub(config: Path, *words: str) -> tuple[int | None, str, str]:
    """Run a command that ends by itself; return its exit code and what it said."""
    pipe = asyncio.subprocess.PIPE
    line = (sys.executable, "-m", "hub", *words, "--config", str(config))
    process = await asyncio.create_subprocess_exec(*line, stdout=pipe, stderr=pipe)
    async with asyncio.timeout(WAIT_S):
        out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


@asynccontextmanager
async def running(config: Path) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hub", "run", "--config", str(config)), stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr is not None
    try:
        async with asyncio.timeout(WAIT_S):
            while b"hub ready" not in (line := await process.stderr.readline()):
                assert line, "the hub ended"
        yield
    finally:
        process.terminate()
        async with asyncio.timeout(WAIT_S):
            await process.communicate()


def asked(certificate: Path, *words: str) -> str:
    """Return what openssl says of a certificate."""
    line = ["openssl", "x509", "-in", certificate, "-noout", *words]
    return subprocess.run(line, capture_output=True, text=True, check=True).stdout


async def test_a_shop_shows_renews_and_pairs(tmp_path: Path, free_port: Callable[[], int]) -> None:
    config = configured(tmp_path, free_port())
    async with running(config):
        code, shown, _ = await storehub(config, "tls", "show")
        assert code == 0 and "hk01.local" in shown and "PRIVATE" not in shown
        _, pem, _ = await storehub(config, "tls", "show", "--pem")
        (tmp_path / "ca.pem").write_text(pem)
        fingerprint = asked(tmp_path / "ca.pem", "-fingerprint", "-sha256").strip().split("=")[1]
        assert fingerprint in shown

        before = asked(tmp_path / "tls" / LEAF, "-serial")
        code, renewed, _ = await storehub(config, "tls", "renew")
        assert code == 0 and "hk01.local" in renewed
        assert asked(tmp_path / "tls" / LEAF, "-serial") != before

        code, out, told = await storehub(config, "pair")
        assert code == 0 and re.fullmatch(r"[A-Z0-9]{8}\n", out)
        assert fingerprint in told and "/pair" in told and "▀" in told
    assert stat.S_IMODE((tmp_path / "tls" / AUTHORITY).stat().st_mode) == 0o600


async def test_a_damaged_authority_is_one_sentence_and_the_file_as_it_was(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    config, path = configured(tmp_path, free_port()), tmp_path / "tls" / AUTHORITY
    path.parent.mkdir()
    path.write_text("-----BEGIN PRIVATE KEY-----\nMIGH")
    for words in (("run",), ("tls", "show")):
        code, _, said = await storehub(config, *words)
        sentences = [line for line in said.splitlines() if line.startswith("storehub: ")]
        assert code == 1 and len(sentences) == 1 and "backup" in sentences[0] and "Traceback" not in said
    assert path.read_text() == "-----BEGIN PRIVATE KEY-----\nMIGH"
    assert sorted(each.name for each in path.parent.iterdir()) == [AUTHORITY]


async def test_a_port_that_is_taken_is_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("0.0.0.0", 0)) as taken:
        code, _, said = await storehub(configured(tmp_path, taken.getsockname()[1]), "run")
    assert code == 1 and "choose another [api] port" in said and "Traceback" not in said


@pytest.mark.parametrize("words", [("tls", "show"), ("tls", "renew")])
@pytest.mark.parametrize(
    ("host", "remedy"), [("127.0.0.1", 'set [api] host = "0.0.0.0"'), ("0.0.0.0", "`storehub run`")]
)
async def test_where_there_is_no_authority_the_commands_say_how_one_comes(
    tmp_path: Path, words: tuple[str, ...], host: str, remedy: str
) -> None:
    code, _, said = await storehub(configured(tmp_path, 0, host), *words)
    assert code == 1 and remedy in said and not (tmp_path / "tls").exists()


def test_a_hub_for_its_own_machine_never_loads_cryptography() -> None:
    script = "import sys, hub.app, hub.cli; assert 'cryptography' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True)
