"""`storehub cloud webhooks` as typed, against a cloud in this process and a subscriber that answers nobody."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.cloud.typing_commands import Typing, write_cloud_file
from tests.cloud.webhooks.conftest import telling

NOWHERE = "http://127.0.0.1:9/hook"  # the discard port: nobody listens


@pytest.fixture
def cloud(cloud: Any, tmp_path: Path) -> Any:
    """The cloud, and its file beside it."""
    write_cloud_file(tmp_path, cloud.port)
    return cloud


@pytest.fixture
def typed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Type `storehub cloud webhooks …`."""
    return partial(Typing(tmp_path, capsys), "cloud", "webhooks")


async def told(cloud: Any, *, rounds: int = 1) -> None:
    """Let the cloud tell what is due, as often as it takes to give a message up."""
    async with telling(cloud) as deliverer:
        for _ in range(rounds):
            await deliverer.step("crm")
            cloud.clock.now_ms += 10_000


async def test_a_webhook_is_added_shown_and_removed(cloud: Any, typed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await typed("list"))[:2] == (0, "")
    wanted = ("add", "crm", NOWHERE, "--stream", "sales", "--stream", "returns", "--kind", "sale")

    code, secret, said = await typed(*wanted)

    assert code == 0 and secret.startswith("whsec_") and "never again" in said
    code, out, said = await typed(*wanted)
    assert (code, out) == (0, "") and "known already" in said
    code, out, _ = await typed("list")
    assert code == 0 and out.split()[:2] == ["crm", "active"] and NOWHERE in out and "sales returns" in out
    (item,) = json.loads((await typed("list", "--json"))[1])["items"]
    assert (item["name"], item["kinds"], item["dead"], "secret" in item) == ("crm", ["sale"], 0, False)

    assert (await typed("pause", "crm"))[0] == 0 and "paused" in (await typed("list"))[1]
    monkeypatch.setattr("builtins.input", lambda _: "no")
    code, _, said = await typed("remove", "crm")
    assert code == 1 and "nothing was done" in said
    monkeypatch.setattr("builtins.input", lambda _: "crm")
    assert (await typed("remove", "crm"))[0] == 0
    assert (await typed("list"))[1] == ""


async def test_dead_letters_are_shown_and_told_again(cloud: Any, typed: Any, writer: Any) -> None:
    assert (await typed("add", "crm", NOWHERE, "--stream", "sales", "--from-start", "--attempts", "1", "--json"))[
        0
    ] == 0
    for sale in ("s1", "s2", "s3"):
        writer.sell(sale)
    await cloud.books().apply(writer.batch())
    await told(cloud, rounds=5)

    code, out, _ = await typed("dead-letters", "crm")

    assert code == 0 and len(out.splitlines()) == 3 and "sales" in out and "1 attempt" in out
    letters = json.loads((await typed("dead-letters", "crm", "--json"))[1])["items"]
    code, out, said = await typed("retry", "crm", letters[0]["message_id"])
    assert code == 0 and "1 letter" in out
    assert "disabled" in said and "storehub cloud webhooks resume crm" in said
    code, out, said = await typed("retry", "crm", "msg_no", letters[1]["message_id"])
    assert code == 1 and "1 letter" in out and "1 of 2" in said
    code, out, _ = await typed("retry", "crm", "--all")
    assert code == 0 and "3 letters" in out
    assert (await typed("resume", "crm"))[0] == 0
    code, out, said = await typed("retry", "crm", "--all", "--json")
    assert (code, json.loads(out), said) == (0, {"letters": 3}, "")
    again = json.loads((await typed("dead-letters", "crm", "--json"))[1])["items"]
    assert all(each["retrying"] for each in again)


async def test_what_is_wrong_is_one_sentence_with_its_remedy(cloud: Any, typed: Any, tmp_path: Path) -> None:
    code, _, said = await typed("dead-letters", "nobody")
    assert code == 1 and "No such webhook" in said and "storehub cloud webhooks list" in said
    code, _, said = await typed("remove", "nobody", "--yes")
    assert code == 1 and "No such webhook" in said
    code, _, said = await typed("add", "erp", "http://10.1.2.3/hook", "--stream", "sales")
    assert code == 1 and "[handing] allow" in said
    code, _, said = await typed("add", "erp", NOWHERE, "--stream", "seles")
    assert code == 1 and "seles" in said
    code, _, said = await typed("retry", "erp")
    assert code == 78 and "--all" in said and "dead-letters erp" in said
    code, _, said = await typed("add", "erp", NOWHERE, "--stream", "sales", "--secret-file", str(tmp_path / "no"))
    assert code == 78 and "whsec_" in said
    (tmp_path / "short").write_text("whsec_AAAA\n")
    code, _, said = await typed("add", "erp", NOWHERE, "--stream", "sales", "--secret-file", str(tmp_path / "short"))
    assert code == 1 and "24 to 64" in said


async def test_a_secret_of_ones_own_is_not_printed(cloud: Any, typed: Any, tmp_path: Path, sql: Any) -> None:
    own = "whsec_" + "MDEy" * 12
    (tmp_path / "secret").write_text(f"{own}\n")

    code, out, _ = await typed("add", "erp", NOWHERE, "--stream", "sales", "--secret-file", str(tmp_path / "secret"))

    assert (code, out) == (0, "")
    assert sql("SELECT secret FROM webhook") == [(own,)]
