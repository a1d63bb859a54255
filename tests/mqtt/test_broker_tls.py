"""TLS to the broker by the driver's real connection: the embedded one with the hub's leaf, mosquitto that asks for ours."""

import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from devices import registry
from devices.errors import OptionError
from devices.model import Health
from hub.broker.embedded import embedded_broker
from hub.settings.file import MqttSection
from hub.store.staff.tills import Paired
from hub.tls.keeper import Tls
from hub.tokens import Tokens

COUNT = "store/hk01/counter/door/count"


@pytest.fixture
def tls(tmp_path: Path) -> Tls:
    made = Tls(
        tmp_path / "tls",
        store_id="hk01",
        host="0.0.0.0",
        names=(),
        makes_authority=True,
        now_ms=lambda: 1_790_000_000_000,
        is_sure=lambda: True,
    )
    made.open()
    assert made.authority is not None
    (tmp_path / "ca.pem").write_text(made.authority.pem)
    return made


@asynccontextmanager
async def broker_on(tls: Tls, port: int, plain: int) -> AsyncIterator[None]:
    tokens = Tokens()
    tokens.admit("door-token", Paired("device1", "door", "device"))
    section = MqttSection(plain, "hub", "hub-secret", tls_port=port)
    async with embedded_broker(section, store_id="hk01", tokens=tokens, tls=tls):
        yield


async def test_a_count_reaches_the_books_over_tls_also_after_the_certificate_was_renewed(
    hub_side: Any, tls: Tls, free_port: Callable[[], int], connect_to: Callable[..., Any], tmp_path: Path
) -> None:
    port, plain = free_port(), free_port()
    given = {"address": f"localhost:{port}", "tls": True, "ca": str(tmp_path / "ca.pem")}
    async with broker_on(tls, port, plain):
        for total in (1, 3):
            async with hub_side.driver(plain, **given):
                await hub_side.ready()
                hub_side.states.clear()
                sensor = await connect_to(plain, "device1", "door-token", client_id=f"s{total}")
                await sensor.publish(COUNT, b'{"in":%d,"out":0,"at":%d}' % (total, 1_790_000_000_000 + total))
                await hub_side.wait_for(lambda total=total: total in [each.in_total for each in hub_side.taken])
            tls.renew("asked")
    assert hub_side.sums() == {"door": (2, 0)}


async def test_a_broker_of_another_ca_is_refused_with_the_remedy(
    hub_side: Any, tls: Tls, free_port: Callable[[], int]
) -> None:
    port, plain = free_port(), free_port()
    async with broker_on(tls, port, plain), hub_side.driver(plain, address=f"localhost:{port}", tls=True):
        await hub_side.wait_for(lambda: bool(hub_side.states) and hub_side.states[-1].health is Health.OFFLINE)
        state = hub_side.states[-1]
    assert state.reason == "broker_refused" and "correct ca, certificate and key" in state.detail


@pytest.mark.usefixtures("mosquitto_installed")
async def test_mosquitto_that_asks_for_a_client_s_certificate_is_given_ours(
    hub_side: Any, free_port: Callable[[], int], mosquitto: Any, tmp_path: Path
) -> None:
    """Its own CA, made by openssl: nothing of this hub's."""
    port = free_port()
    make_certificates(tmp_path)
    broker = mosquitto(
        port,
        tmp_path,
        listener=f"listener {port}",
        extra=(
            f"cafile {tmp_path}/ca.pem\ncertfile {tmp_path}/broker.pem\nkeyfile {tmp_path}/broker.key\nrequire_certificate true\n"
        ),
    )
    await broker.start()
    files = {"ca": f"{tmp_path}/ca.pem", "certificate": f"{tmp_path}/hub.pem", "key": f"{tmp_path}/hub.key"}
    try:
        async with hub_side.driver(port, address=f"localhost:{port}", tls=True, **files):
            await hub_side.ready()
        async with hub_side.driver(port, address=f"localhost:{port}", tls=True, ca=files["ca"]):
            await hub_side.wait_for(lambda: hub_side.states[-1].reason in ("broker_refused", "broker_unreachable"))
    finally:
        await broker.stop()


def make_certificates(folder: Path) -> None:
    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=folder)

    new = ("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl(*new, "-x509", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test CA", "-days", "2")
    (folder / "names").write_text("subjectAltName=DNS:localhost\n")
    for name in ("broker", "hub"):
        openssl(*new, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        sign = ("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-out", f"{name}.pem")
        openssl(*sign, "-days", "2", "-extfile", "names")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"ca": "/x"}, "are for tls = true"),
        ({"tls": True, "certificate": "/x"}, "belong together"),
        ({"tls": True, "ca": "/nothing/here.pem"}, "cannot read /nothing/here.pem"),
    ],
)
def test_wrong_tls_options_are_refused_with_their_remedy(options: dict[str, Any], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        registry.options_for("mqtt_counter", {"store": "hk01", **options}, device_id="doors")
