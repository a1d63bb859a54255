"""`storehub cloud enrol` and `storehub enrol` as typed, against a cloud by TLS in this process; then the line by it."""

import asyncio
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hub.config import load_config
from hub.enrolment import joining
from hub.enrolment.credentials import context_of, token_of, token_to_dial
from sync.errors import SyncError
from sync.line.dialler import Dialler
from sync.line.state import LinkState
from sync.line.wire import WireError
from tests.cloud.test_tls import self_signed
from tests.cloud.typing_commands import Typing, write_cloud_file

HUB = """
[store]
id = "{store}"
name_zh_hant = "示範店"
name_en = "Demo shop"
currency = "HKD"
[cloud]
url = "{url}"
reconnect_max_s = 0.1
"""


@pytest.fixture
async def cloud(start_cloud: Any, tmp_path: Path) -> Any:
    """A cloud by TLS that wants certificates, its file beside it, and a hub's."""
    self_signed(tmp_path)
    told = {"tls_certificate": "server.crt", "tls_key": "server.key", "client_certificates": "required"}
    end = await start_cloud(stores={"hk01": {}, "hk02": {}}, cloud=told, now=datetime.now(UTC))
    write_cloud_file(tmp_path, end.port, tls_certificate="server.crt", tls_key="server.key")
    (tmp_path / "hub.toml").write_text(HUB.format(store="hk01", url=f"https://127.0.0.1:{end.port}"))
    return end


@pytest.fixture
def typed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    return Typing(tmp_path, capsys)


async def test_a_shop_is_joined_by_two_commands_and_dials_with_what_it_drew(
    cloud: Any, typed: Any, tmp_path: Path, writer: Any, talking: Any
) -> None:
    code, out, err = await typed("cloud", "enrol", "hk01")
    assert code == 0 and f"storehub enrol {out.strip()}" in err

    code, out, _ = await typed("enrol", out.strip(), "--ca", str(tmp_path / "server.crt"))

    assert code == 0 and "hk01 is joined to cloud" in out
    line = load_config(tmp_path / "hub.toml").cloud
    assert line is not None and line.url is not None
    files = sorted((tmp_path / "cloud").iterdir())
    assert [each.name for each in files] == ["ca.pem", "client.pem", "token"]
    assert not [each for each in files if each.stat().st_mode & 0o077]
    writer.sell("s1")
    hub = talking.hub(writer)
    async with dialling(line, hub, cloud.clock):
        await hub.until(lambda: hub.safe.get("sales") == 1)
        before = token_of(line)
        code, out, err = await typed("enrol", "--renew")
        assert code == 0 and token_of(line) != before, err
        writer.sell("s2")
    async with dialling(line, hub, cloud.clock):
        await hub.until(lambda: hub.safe.get("sales") == 2)
    _, out, _ = await typed("cloud", "tokens", "hk01")
    assert sorted("ended" in row for row in out.splitlines()) == [False, True]


async def test_a_lost_answer_is_asked_for_again_with_the_same_token(
    cloud: Any, typed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (await typed("cloud", "enrol", "hk01"))[1].strip()
    asked = joining.ask

    async def lost(*args: Any, **more: Any) -> Any:
        await asked(*args, **more)
        raise SyncError("unreachable", "the answer did not come")

    monkeypatch.setattr(joining, "ask", lost)
    assert (await typed("enrol", code, "--ca", str(tmp_path / "server.crt")))[0] == 1
    monkeypatch.undo()

    assert (await typed("enrol", code, "--ca", str(tmp_path / "server.crt")))[0] == 0


async def test_what_is_wrong_is_one_sentence_with_its_remedy(cloud: Any, typed: Any, tmp_path: Path) -> None:
    authority = str(tmp_path / "server.crt")
    _, _, stranger = await typed("enrol", "ABCD-EFGH-JKMN")
    assert "does not answer" in stranger
    code, _, said = await typed("enrol", "ABCD-EFGH-JKMN", "--ca", authority)
    assert code == 1 and "This code is not good" in said and "storehub cloud enrol" in said
    code, _, said = await typed("enrol")
    assert code == 78 and "--renew" in said
    code, _, said = await typed("cloud", "enrol", "hk09")
    assert code == 1 and "known: hk01, hk02" in said
    code, _, said = await typed("enrol", "X", "--ca", str(tmp_path / "hub.toml"))
    assert code == 1 and "certificates in PEM" in said


async def test_revoke_and_seal_as_typed(cloud: Any, typed: Any, writer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    writer.sell("s1")
    await cloud.books("hk01").apply(writer.batch())
    code, out, _ = await typed("cloud", "lives", "hk01")
    assert code == 0 and f"{writer.rep}  since" in out and "1 rows  writes" in out

    monkeypatch.setattr("builtins.input", lambda _: "no")
    assert (await typed("cloud", "seal", writer.rep, "--why", "stolen"))[0] == 1
    monkeypatch.setattr("builtins.input", lambda _: writer.rep)
    code, out, _ = await typed("cloud", "seal", writer.rep, "--why", "stolen")

    assert (code, out.splitlines()[-1]) == (0, f"{writer.rep} is sealed with 1 rows")
    assert "sealed" in (await typed("cloud", "lives", "hk01"))[1]
    assert "0 tokens of hk01" in (await typed("cloud", "revoke", "hk01", "--why", "stolen"))[1]


def test_a_hub_that_was_never_enrolled_says_so(tmp_path: Path) -> None:
    (tmp_path / "hub.toml").write_text(HUB.format(store="hk01", url="https://cloud.example"))
    line = load_config(tmp_path / "hub.toml").cloud
    assert line is not None and context_of(line) is None

    with pytest.raises(WireError) as raised:
        token_to_dial(line)

    assert raised.value.code == "not_enrolled"


class dialling:  # noqa: N801 - used as a context manager
    """The hub's own dialler, by what lies in DIR/cloud."""

    def __init__(self, line: Any, hub: Any, clock: Any) -> None:
        async def context() -> Any:
            return context_of(line)

        states: list[LinkState] = []
        self._dialler = Dialler(
            line.url,
            lambda: token_to_dial(line),
            hub,
            now_ms=clock,
            rng=random.Random(1),
            on_state=states.append,
            reconnect_max_s=0.05,
            context=context,
        )

    async def __aenter__(self) -> None:
        self._task = asyncio.create_task(self._dialler.run())

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])
