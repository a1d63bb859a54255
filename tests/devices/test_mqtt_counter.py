"""The counter driver's options, and what is used of paho below its public interface. Its work is tested in tests/mqtt."""

import asyncio
import inspect
import re
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from paho.mqtt import client as mqtt

from devices import registry
from devices.drivers import _mqtt_link
from devices.drivers._addresses import split_address
from devices.drivers._broker import PORT
from devices.drivers._mqtt_link import Broker, BrokerLostError, connected
from devices.drivers._mqtt_wire import MqttWire
from devices.drivers.mqtt_counter import DRIVER, Options
from devices.errors import OptionError
from devices.testing.context import RecordingContext


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1:1884", ("127.0.0.1", 1884)),
        ("broker.shop", ("broker.shop", 1883)),
        ("[::1]:1883", ("::1", 1883)),
        ("[::1]", ("::1", 1883)),
    ],
)
def test_addresses(address: str, expected: tuple[str, int]) -> None:
    assert split_address(address, port=PORT) == expected


@pytest.mark.parametrize("address", ["", ":1883", "host:", "host:0", "host:99999", "host:x", "::1:1883"])
def test_a_wrong_address_is_refused_with_its_remedy(address: str) -> None:
    with pytest.raises(OptionError, match=r"doors: .*is not host:port; write 192.168.1.50:1883"):
        registry.options_for("mqtt_counter", {"store": "hk01", "address": address}, device_id="doors")


@pytest.mark.parametrize("store", ["a/b", "#", "+", "", "a b"])
def test_a_store_is_one_level_of_a_topic(store: str) -> None:
    with pytest.raises(OptionError, match="store"):
        registry.options_for("mqtt_counter", {"store": store}, device_id="doors")


def test_paho_still_makes_its_socket_where_we_hand_it_ours() -> None:
    """The one private name that is used: `reconnect` takes its socket from `_create_socket`."""
    assert "self._sock = self._create_socket()" in inspect.getsource(mqtt.Client.reconnect)
    assert _mqtt_link._Client._create_socket.__name__ in vars(mqtt.Client)


def test_paho_touches_its_socket_only_by_what_a_wire_has() -> None:
    used = set(re.findall(r"self\._sock\.(\w+)", inspect.getsource(mqtt.Client)))
    assert {"recv", "send"} <= used - {"pending"} <= set(vars(MqttWire))  # `pending` is for paho's own loop, and TLS


async def test_no_broker_is_reported_with_its_reason_and_blocks_nobody(free_port: Callable[[], int]) -> None:
    port = free_port()
    with pytest.raises(BrokerLostError, match="no broker at") as caught:
        await DRIVER.run(RecordingContext(), Options(store="s", address=f"127.0.0.1:{port}"))
    assert caught.value.reason == "broker_unreachable"


async def test_a_broker_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_mqtt_link, "CONNECT_TIMEOUT_S", 0.05)
    served = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        await writer.wait_closed()
        served.set()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        broker = Broker("127.0.0.1", server.sockets[0].getsockname()[1], "c", "", "", 30)
        with pytest.raises(BrokerLostError, match="did not answer"):
            async with connected(broker, lambda _message: None):
                raise AssertionError("not connected")
        await served.wait()


async def test_what_is_no_broker_is_reported() -> None:
    served = asyncio.Semaphore(0)

    async def web_server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(10)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()
        await writer.wait_closed()
        served.release()

    async with await asyncio.start_server(web_server, "127.0.0.1", 0) as server:
        broker = Broker("127.0.0.1", server.sockets[0].getsockname()[1], "c", "", "", 30)
        with pytest.raises(BrokerLostError, match="speaks neither"):
            async with connected(broker, lambda _message: None):
                raise AssertionError("not connected")
        for _ in range(2):
            await served.acquire()


async def test_a_wire_sends_many_pieces_in_one_call_and_keeps_what_does_not_fit() -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with theirs:
        wire = MqttWire(ours)
        for _ in range(200_000):
            wire.send(b"\x40\x02\x00\x01")
        assert wire.flush() is True
        received = 0
        while received < 800_000:
            received += len(theirs.recv(65536))
            wire.flush()
        assert wire.flush() is False
        wire.close()


def test_the_document_that_the_driver_names_is_there() -> None:
    assert (Path(registry.__file__).parents[1] / "docs" / "mqtt.md").is_file()
