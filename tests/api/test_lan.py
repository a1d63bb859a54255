"""A hub on the LAN, on real sockets: TLS for everybody, plain HTTP for this machine, the doorstep for the rest."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from hub.api.lan import WAITING_OF_ONE_MAX
from hub.tls.addresses import machine_addresses
from hub.tls.files import AUTHORITY
from hub.tls.keeper import Tls

ON_LAN = {"host": "0.0.0.0", "port": 0}


@pytest.fixture
async def lan_hub(start_hub: Any) -> Any:
    """A hub that tablets reach."""
    return await start_hub(api=ON_LAN)


@pytest.fixture
def lan_address() -> str:
    """An address of this machine that is not loopback."""
    found = [str(each) for each in machine_addresses() if each.version == 4]
    if not found:
        pytest.skip("this machine is on no network")
    return found[0]


def trusting(authority_pem: str) -> ssl.SSLContext:
    """What a till has that pins the store's CA and nothing else."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=authority_pem)
    return context


@pytest.fixture
def pinned(lan_hub: Any) -> ssl.SSLContext:
    """A till that trusts this store's CA."""
    return trusting(lan_hub.runtime.tls.authority.pem)


@pytest.fixture
async def secure(lan_hub: Any, pinned: ssl.SSLContext) -> AsyncIterator[aiohttp.ClientSession]:
    """A till's session by TLS."""
    connector = aiohttp.TCPConnector(ssl=pinned)
    async with aiohttp.ClientSession(f"https://127.0.0.1:{lan_hub.port}", connector=connector) as session:
        yield session


@pytest.fixture
async def plain() -> AsyncIterator[aiohttp.ClientSession]:
    """A client without TLS."""
    async with aiohttp.ClientSession() as session:
        yield session


async def serial_shown(port: int, pinned: ssl.SSLContext) -> bytes:
    """Return the certificate that a new connection is shown."""
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=pinned)
    shown: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    with suppress(ConnectionError, ssl.SSLError):
        await writer.wait_closed()
    return shown


async def test_a_till_that_trusts_the_store_sells(
    lan_hub: Any, secure: aiohttp.ClientSession, pair_till: Callable[..., Awaitable[Any]]
) -> None:
    till = await pair_till(lan_hub, scope=None)
    till.session, plain_session = secure, till.session
    paired = await till.post("/v1/pair", {"code": await lan_hub.make_code(), "name": "Counter"})
    till.token, till.till_id = paired.json["token"], paired.json["till_id"]
    assert (await till.post("/v1/sales", till.sale())).status == 201
    async with till.events() as ws:
        assert (await ws.receive_json())["type"] == "hello"
    await plain_session.close()


async def test_a_till_that_trusts_another_store_or_nobody_is_not_served(
    lan_hub: Any, pinned: ssl.SSLContext, tmp_path: Path
) -> None:
    other = Tls(tmp_path / "o", store_id="hk02", host="10.0.0.1", now_ms=lan_hub.clock, is_sure=lambda: True)
    other.open()
    assert other.authority is not None
    for context in (trusting(other.authority.pem), ssl.create_default_context()):
        with pytest.raises(ssl.SSLCertVerificationError):
            await asyncio.open_connection("127.0.0.1", lan_hub.port, ssl=context)
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        await asyncio.open_connection("127.0.0.1", lan_hub.port, ssl=pinned, server_hostname="hk02.local")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
async def test_old_tls_is_refused(lan_hub: Any, pinned: ssl.SSLContext, version: ssl.TLSVersion) -> None:
    with pytest.warns(DeprecationWarning):
        pinned.minimum_version, pinned.maximum_version = version, version
    pinned.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await asyncio.open_connection("127.0.0.1", lan_hub.port, ssl=pinned)


async def test_this_machine_goes_on_without_tls(lan_hub: Any, plain: aiohttp.ClientSession) -> None:
    async with plain.get(f"{lan_hub.url}/healthz") as answer:
        assert answer.status == 200
    async with plain.get(f"{lan_hub.url}/metrics") as answer:
        assert answer.status == 200


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/v1/products"), ("POST", "/v1/pair"), ("GET", "/metrics"), ("GET", "/docs")]
)
async def test_the_network_is_told_to_use_tls(
    lan_hub: Any, plain: aiohttp.ClientSession, lan_address: str, method: str, path: str
) -> None:
    async with plain.request(method, f"http://{lan_address}:{lan_hub.port}{path}") as answer:
        said = await answer.json(content_type="application/problem+json")
    assert (answer.status, said["code"]) == (426, "tls_required")
    assert "https://" in said["detail"] and "/pair" in said["remedy"]["en"]


async def test_the_network_gets_the_page_and_the_certificate_without_tls(
    lan_hub: Any, plain: aiohttp.ClientSession, lan_address: str
) -> None:
    at = f"http://{lan_address}:{lan_hub.port}"
    async with plain.get(at + "/") as answer:
        assert answer.status == 200 and answer.url.path == "/pair"
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
    async with plain.get(at + "/ca.crt") as answer:
        der = await answer.read()
    async with plain.get(at + "/pair.json") as answer:
        facts = await answer.json()
    async with plain.get(at + "/ca.mobileconfig") as answer:
        assert answer.content_type == "application/x-apple-aspen-config"
    assert ssl.DER_cert_to_PEM_cert(der).strip() == lan_hub.runtime.tls.authority.pem.strip()
    assert facts["authority"]["sha256"].replace(":", "").lower() == lan_hub.runtime.ca_fingerprint()
    assert "key" not in str(facts).lower()


async def test_strangers_have_their_turns_on_the_doorstep_too(
    start_hub: Any, plain: aiohttp.ClientSession, lan_address: str, pair_till: Callable[..., Awaitable[Any]]
) -> None:
    hub = await start_hub(api=ON_LAN, limits={"requests_per_s": 1, "burst": 2})
    till = await pair_till(hub)
    statuses = []
    for _ in range(2):
        async with plain.get(f"http://{lan_address}:{hub.port}/pair.json") as answer:
            statuses.append(answer.status)

    assert statuses == [200, 429]
    assert (await till.get("/v1/shop")).status == 200


async def test_connections_by_tls_are_counted_and_given_back(
    start_hub: Any, pair_till: Callable[..., Awaitable[Any]], until: Any
) -> None:
    hub = await start_hub(api=ON_LAN, limits={"connections": 2})
    pinned = trusting(hub.runtime.tls.authority.pem)
    inside = [await asyncio.open_connection("127.0.0.1", hub.port, ssl=pinned) for _ in range(2)]

    async def is_served() -> bool:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", hub.port, ssl=pinned)
        except (ConnectionError, ssl.SSLError):
            return False
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n")
        with suppress(ConnectionError, ssl.SSLError):
            line = await reader.readline()
            writer.close()
            await writer.wait_closed()
            return line.startswith(b"HTTP/1.1 200")
        return False

    await until(is_served, lambda served: not served)
    for _, writer in inside:
        writer.close()
        with suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()
    await until(is_served, lambda served: served)


async def test_a_new_certificate_is_shown_to_the_next_connection_and_hangs_up_on_nobody(
    lan_hub: Any, secure: aiohttp.ClientSession, pinned: ssl.SSLContext, pair_till: Callable[..., Awaitable[Any]]
) -> None:
    till = await pair_till(lan_hub)
    before = await serial_shown(lan_hub.port, pinned)
    protocols = ("storehub.v1", f"storehub.bearer.{till.token}")
    async with secure.ws_connect("/v1/events", protocols=protocols) as ws:
        assert (await ws.receive_json())["type"] == "hello"
        await lan_hub.runtime.tls.alone(lambda: lan_hub.runtime.tls.renew("asked"))
        assert await serial_shown(lan_hub.port, pinned) != before
        sale = till.sale()
        assert (await till.post("/v1/sales", sale)).status == 201
        async with asyncio.timeout(30):
            while (frame := await ws.receive_json())["type"] != "sale":
                pass
        assert frame["data"]["sale_id"] == sale["sale_id"]


async def test_the_hub_follows_its_machine_to_another_address(
    start_hub: Any, monkeypatch: pytest.MonkeyPatch, until: Any
) -> None:
    """By itself, while it runs: the hub's own loop, faster."""
    monkeypatch.setattr("hub.tls.keeper.LOOK_EVERY_S", 0.02)
    hub = await start_hub(api=ON_LAN)
    pinned = trusting(hub.runtime.tls.authority.pem)
    before = await serial_shown(hub.port, pinned)
    hub.runtime.tls._asked_addresses = lambda: (ip_address("10.9.8.7"),)
    after = await until(lambda: serial_shown(hub.port, pinned), lambda shown: shown != before)
    assert after != before
    _, writer = await asyncio.open_connection("127.0.0.1", hub.port, ssl=pinned)
    assert ("IP Address", "10.9.8.7") in writer.get_extra_info("peercert")["subjectAltName"]
    writer.close()
    with suppress(ConnectionError, ssl.SSLError):
        await writer.wait_closed()


@pytest.mark.parametrize(
    "noise", [b"\x16\x03\x01\x02\x00\x01junk" * 40, b"\x00\xff\x80", b"\x16", b"GET / HTTP/9\r\n\r\n"]
)
async def test_noise_ends_its_own_connection_only(lan_hub: Any, secure: aiohttp.ClientSession, noise: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", lan_hub.port)
    writer.write(noise)
    writer.write_eof()
    async with asyncio.timeout(30):
        with suppress(ConnectionError):
            await reader.read()
    writer.close()
    async with secure.get("/healthz") as answer:
        assert answer.status == 200


async def test_who_connects_and_says_nothing_takes_a_bounded_number_of_places(
    lan_hub: Any, secure: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one address; one more is hung up on at once, and is served again when a place is free."""
    monkeypatch.setattr("hub.api.lan.HANDSHAKE_TIMEOUT_S", 600.0)  # no place gets free by itself, however slow all is
    silent = [await asyncio.open_connection("127.0.0.1", lan_hub.port) for _ in range(WAITING_OF_ONE_MAX)]
    reader, writer = await asyncio.open_connection("127.0.0.1", lan_hub.port)
    async with asyncio.timeout(60):
        assert await reader.read() == b""
    for _, other in [*silent, (reader, writer)]:
        other.close()
    async with asyncio.timeout(30):
        while True:
            with suppress(aiohttp.ClientError):
                async with secure.get("/healthz") as answer:
                    assert answer.status == 200
                    break


async def test_a_manager_makes_a_code_whose_link_pairs_a_tablet(
    lan_hub: Any, pair_till: Callable[..., Awaitable[Any]]
) -> None:
    manager = await pair_till(lan_hub, scope="manager")
    made = (await manager.post("/v1/pairing-codes", {})).json
    page, _, fragment = made["link"].partition("#")
    said = dict(pair.split("=") for pair in fragment.split("&"))
    assert page == made["url"] and page.endswith(f":{lan_hub.port}/pair")
    assert said == {"code": made["code"], "ca": lan_hub.runtime.ca_fingerprint()}
    paired = await manager.post("/v1/pair", {"code": said["code"], "name": "Counter 2"})
    assert (paired.status, paired.json["scope"]) == (201, "till")
    till = await pair_till(lan_hub)
    assert (await till.post("/v1/pairing-codes", {})).status == 403


async def test_a_hub_for_its_own_machine_has_no_authority(hub: Any, pair_till: Callable[..., Awaitable[Any]]) -> None:
    till = await pair_till(hub)
    assert (await till.get("/ca.crt")).json["code"] == "no_authority"
    assert (await till.get("/pair.json")).json["authority"] is None
    assert (await till.get("/pair")).status == 200
    assert hub.runtime.ca_fingerprint() == ""
    assert not (hub.config.data_dir / "tls" / AUTHORITY).exists()


async def test_the_other_hub_alone_is_told_the_authority(
    lan_hub: Any, pair_till: Callable[..., Awaitable[Any]]
) -> None:
    for scope, status in (("till", 403), ("manager", 403), ("cloud", 403), ("ops", 403), (None, 401), ("standby", 200)):
        answer = await (await pair_till(lan_hub, scope=scope)).get("/sync/v1/store-ca")
        assert answer.status == status
        assert ("PRIVATE KEY" in answer.body.decode()) == (status == 200)
