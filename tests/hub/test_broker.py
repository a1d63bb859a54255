"""The embedded broker's door: who may in, what a hostile client can do, what is used of amqtt below its public surface."""

import asyncio
import contextlib
import inspect
import logging
import random
import struct
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest
from amqtt.broker import Broker
from amqtt.contexts import Action, BrokerConfig, ListenerConfig, ListenerType

from hub.broker import door, engine
from hub.broker.accounts import Accounts
from hub.broker.embedded import embedded_broker
from hub.broker.packets import PACKET_BYTES_MAX
from hub.config import parse_config
from hub.settings.file import MqttSection
from hub.store.staff.tills import Paired, secret_hash
from hub.tokens import Tokens
from sync.errors import ConfigError, StartError

SECTION = MqttSection(0, "hub", "hub-secret")
TOKENS = Tokens(
    {
        secret_hash("device-token"): Paired("device1", "Door", "device"),
        secret_hash("spoof-token"): Paired("device2", "entrance", "device"),
        secret_hash("till-token"): Paired("t1", "Till", "till"),
    }
)
ACCOUNTS = Accounts("hk01", SECTION, TOKENS)
STORE = {"store": {"id": "hk01", "name_zh_hant": "店", "name_en": "Shop", "currency": "HKD"}}


@pytest.fixture
async def port() -> AsyncIterator[int]:
    async with embedded_broker(SECTION, store_id="hk01", tokens=TOKENS) as (port, _):
        yield port


def text(words: str) -> bytes:
    return struct.pack(">H", len(words.encode())) + words.encode()


def connect(user: str, password: str, *, client_id: str = "c", level: int = 4, clean: bool = True) -> bytes:
    flags = (2 if clean else 0) | (0xC0 if user else 0)
    body = text("MQTT") + bytes([level, flags, 0, 60]) + (b"\0" if level == 5 else b"") + text(client_id)
    body += text(user) + text(password) if user else b""
    return bytes([0x10, len(body)]) + body


async def answer(port: int, said: bytes) -> bytes:
    """What the broker says before it hangs up or waits for more."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(said)
    try:
        async with asyncio.timeout(30):
            return await reader.read(64)
    except ConnectionError:
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize(
    ("username", "password", "known"),
    [
        ("device1", "device-token", True),
        ("hub", "hub-secret", True),
        ("device1", "hub-secret", False),
        ("hub", "device-token", False),
        ("device2", "device-token", False),
        ("t1", "till-token", False),
        ("", "", False),
        (None, None, False),
        ("device1", "", False),
    ],
)
def test_accounts(username: str | None, password: str | None, known: bool) -> None:
    assert ACCOUNTS.knows(username, password) is known


def test_an_account_without_a_name_is_no_account() -> None:
    assert not Accounts("hk01", MqttSection(), Tokens()).knows("", "")


@pytest.mark.parametrize(
    ("username", "topic", "action", "may"),
    [
        ("device1", "store/hk01/counter/Door/count", Action.PUBLISH, True),
        ("device1", "store/hk01/counter/device1/count", Action.PUBLISH, True),
        ("device1", "store/hk01/counter/Door/left/count", Action.PUBLISH, True),
        ("device1", "homie/5/Door/$state", Action.PUBLISH, True),
        ("device1", "store/hk01/counter/door/count", Action.PUBLISH, False),
        ("device1", "store/hk01/Door/count", Action.PUBLISH, False),
        ("device1", "store/hk01/counter/Door", Action.PUBLISH, False),
        ("device1", "homie/5/window/$state", Action.PUBLISH, False),
        ("device1", "homeassistant/sensor/Door/config", Action.PUBLISH, False),
        ("device2", "store/hk01/hub/entrance/main", Action.PUBLISH, False),
        ("device2", "store/hk01/counter/device2/count", Action.PUBLISH, True),
        ("device9", "store/hk01/counter/device9/count", Action.PUBLISH, False),
        ("hub", "homie/5/#", Action.SUBSCRIBE, True),
        ("hub", "homeassistant/sensor/x/config", Action.PUBLISH, True),
        ("device1", "store/hk02/counter/Door/count", Action.PUBLISH, False),
        ("device1", "store/hk01/#", Action.SUBSCRIBE, False),
        ("device1", "store/hk01/counter/Door/count", Action.RECEIVE, False),
        ("hub", "store/hk01/counter/+/count", Action.SUBSCRIBE, True),
        ("hub", "store/hk01/counter/door/count", Action.RECEIVE, True),
        ("hub", "#", Action.SUBSCRIBE, False),
        ("hub", "store/+/counter/door/count", Action.SUBSCRIBE, False),
    ],
)
def test_rights(username: str, topic: str, action: Action, may: bool) -> None:
    assert ACCOUNTS.may(username, topic, action) is may


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (connect("device1", "device-token"), 0),
        (connect("device1", "device-token", client_id=""), 0),
        (connect("hub", "hub-secret"), 0),
        (connect("", ""), 4),
        (connect("device1", "wrong"), 4),
        (connect("hub", "hub-secret", level=5), 1),
        (connect("hub", "hub-secret", level=3), 1),
    ],
)
async def test_the_door_answers(port: int, said: bytes, code: int) -> None:
    assert await answer(port, said) == bytes([0x20, 2, 0, code])


async def test_nobody_takes_over_the_session_of_another_account(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(connect("hub", "hub-secret", client_id="storehub", clean=False))
    assert (await reader.readexactly(4))[3] == 0
    assert await answer(port, connect("device1", "device-token", client_id="storehub")) == b"\x20\x02\x00\x02"
    assert await answer(port, connect("device1", "wrong", client_id="storehub")) == b"\x20\x02\x00\x04"
    writer.write(b"\xc0\x00")
    assert await reader.readexactly(2) == b"\xd0\x00", "it is still there"
    writer.close()


def refusals(caplog: pytest.LogCaptureFixture) -> list[tuple[str, ...]]:
    """What the log says of refused clients."""
    fields = ("reason", "user", "client", "address")
    return [
        (record.message, *(getattr(record, name) for name in fields if hasattr(record, name)))
        for record in caplog.records
        if record.name == door.__name__
    ]


async def test_a_refused_client_is_named_once_for_each_user_and_reason(
    port: int, caplog: pytest.LogCaptureFixture
) -> None:
    await answer(port, connect("", "", client_id="probe"))
    for client_id in ("door", "door-again"):
        await answer(port, connect("device1", "wrong", client_id=client_id))
    await answer(port, connect("device2", "device-token", client_id="gate"))

    assert refusals(caplog) == [
        ("mqtt client refused", "credentials", "", "probe", "127.0.0.1"),
        ("mqtt client refused", "credentials", "device1", "door", "127.0.0.1"),
        ("mqtt client refused", "credentials", "device2", "gate", "127.0.0.1"),
    ]


async def test_what_a_refused_client_calls_itself_is_short_and_printable_and_no_secret(
    port: int, caplog: pytest.LogCaptureFixture
) -> None:
    await answer(port, connect("a\r\n\x1b[2J" + "b" * 80, "wrong"))
    await answer(port, connect("", "", client_id="c" * 80))
    await answer(port, connect("device-token", "device1", client_id="hub-secret"))

    assert [line[2:4] for line in refusals(caplog)] == [
        ("a[2J" + "b" * 60, "c"),
        ("", "c" * 64),
        ("(a secret)", "(a secret)"),
    ]


async def test_refusals_are_bounded_and_the_log_says_that_there_are_more(
    port: int, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "LOGGED_MAX", 3)
    for n in range(6):
        await answer(port, connect(f"device{n}", "wrong"))
    await answer(port, connect("device0", "wrong"))

    assert [line[0] for line in refusals(caplog)] == ["mqtt client refused"] * 3 + ["more clients are refused"]


async def test_bytes_that_are_no_mqtt_end_their_connection_only(port: int, caplog: pytest.LogCaptureFixture) -> None:
    rng = random.Random(5)
    good = connect("device1", "device-token")
    for n in range(150):
        damaged = bytearray(good)
        for _ in range(rng.randint(1, 4)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(rng.randbytes(rng.randint(1, 80)) if n % 2 else bytes(damaged))
        writer.write_eof()
        async with asyncio.timeout(30):
            with contextlib.suppress(ConnectionError):
                await reader.read()
        writer.close()
    assert await answer(port, good) == b"\x20\x02\x00\x00"
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR or record.exc_info]


async def test_a_packet_that_is_too_long_is_not_read(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(connect("device1", "device-token"))
    await reader.readexactly(4)
    writer.write(b"\x32\xff\xff\xff\x7f" + bytes(PACKET_BYTES_MAX))
    async with asyncio.timeout(30):
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
    writer.close()


async def test_a_client_that_says_nothing_is_closed(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "CONNECT_TIMEOUT_S", 0.05)
    assert await answer(port, b"\x10") == b""


async def test_a_taken_port_is_named_with_its_remedy(port: int) -> None:
    with pytest.raises(StartError, match=rf"cannot listen on 127.0.0.1:{port} .*choose another \[mqtt\] port"):
        async with embedded_broker(MqttSection(port, "a", "b"), store_id="hk01", tokens=Tokens()):
            raise AssertionError("started twice")


async def test_a_stop_leaves_no_task_behind() -> None:
    before = asyncio.all_tasks()
    async with embedded_broker(SECTION, store_id="hk01", tokens=TOKENS) as (port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(connect("device1", "device-token"))
        await reader.readexactly(4)
    writer.close()
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize(
    "name", ["_handle_disconnect", "_retain_broadcast_message", "_publish_session_retained_messages"]
)
def test_amqtt_still_has_what_is_used_below_its_surface(name: str) -> None:
    assert inspect.iscoroutinefunction(getattr(Broker, name))
    source = inspect.getsource(Broker)
    for used in ("self._broadcast_queue.put(", "self._tasks_queue", "await self._retain_broadcast_message("):
        assert used in source


def test_a_hub_without_a_broker_does_not_import_one() -> None:
    script = "import sys, hub.app, hub.cli; assert not {'amqtt', 'paho'} & set(sys.modules), 'imported'"
    subprocess.run([sys.executable, "-W", "error", "-c", script], check=True, timeout=60)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"username": "hub"}, "username and password belong together"),
        ({"prot": 1}, "unknown key 'mqtt.prot'.*did you mean 'port'"),
        ({"port": 70_000}, "port"),
    ],
)
def test_a_wrong_section_is_refused(section: dict[str, Any], message: str, tmp_path: Any) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_config(STORE | {"mqtt": section}, base=tmp_path)


def test_a_section_is_read_and_may_be_left_out(tmp_path: Any) -> None:
    assert parse_config(STORE, base=tmp_path).mqtt is None
    assert parse_config(STORE | {"mqtt": {}}, base=tmp_path).mqtt == MqttSection(1883, "", "")


def subscribe(topic_filter: str) -> bytes:
    body = b"\0\1" + text(topic_filter) + b"\1"
    return bytes([0x82, len(body)]) + body


async def test_a_device_comes_in_when_the_hub_can_hear_it() -> None:
    """Before the hub's driver has subscribed a message would be acknowledged and heard by nobody."""
    async with embedded_broker(SECTION, store_id="hk01", tokens=TOKENS, awaits_hub=True) as (port, _):
        device = asyncio.ensure_future(answer(port, connect("device1", "device-token", client_id="door")))
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(connect("hub", "hub-secret", client_id="hub"))
        assert await reader.readexactly(4) == b"\x20\x02\x00\x00"
        was_waiting = not device.done()
        writer.write(subscribe("store/hk01/counter/+/count"))
        assert (await reader.readexactly(5))[:1] == b"\x90"
        async with asyncio.timeout(30):
            admitted = await device
        writer.close()

    assert was_waiting and admitted == b"\x20\x02\x00\x00"


async def test_a_flood_waits_its_turn_so_that_a_till_gets_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """A burst goes through; beyond it each message is put off by a thousandth of a second more, whoever sends it."""
    broker = engine.Engine(BrokerConfig(listeners={"default": ListenerConfig(type=ListenerType.EXTERNAL)}, plugins={}))
    put_off: list[float] = []

    async def note(delay_s: float) -> None:
        put_off.append(delay_s)

    monkeypatch.setattr(engine.asyncio, "sleep", note)
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: 1000.0)
    burst = int(engine.BURST_S * engine.MESSAGES_PER_S)
    for _ in range(burst + 50):
        await broker.turn()

    assert len(put_off) == pytest.approx(50, abs=1)
    assert put_off[-1] == pytest.approx(50 / engine.MESSAGES_PER_S, abs=0.002)
