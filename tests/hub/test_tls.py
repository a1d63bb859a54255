"""The store's CA and the hub's certificate on a real folder; what they are is judged by openssl, not by what made them."""

import hashlib
import plistlib
import re
import ssl
import stat
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.tls.addresses import Address, machine_addresses, ordered, read_answer
from hub.tls.files import AUTHORITY, DAMAGED, LEAF
from hub.tls.keeper import DAY_MS, FLOOR_MS, LEAF_DAYS, RENEW_DAYS, Tls
from hub.tls.profile import configuration_profile
from sync.errors import StartError

NOW_MS = 1_790_000_000_000  # 2026-09-21
LAN = (ip_address("192.168.1.20"), ip_address("fd12::20"))


@dataclass
class World:
    """A machine: its clock, its addresses, its folder."""

    folder: Path
    now_ms: int = NOW_MS
    is_sure: bool = True
    addresses: tuple[Address, ...] = LAN

    def hub(self, **fields: Any) -> Tls:
        said = {"store_id": "hk01", "host": "0.0.0.0"} | fields
        tls = Tls(
            self.folder,
            now_ms=lambda: self.now_ms,
            is_sure=lambda: self.is_sure,
            addresses=lambda: self.addresses,
            **said,
        )
        tls.open()
        return tls

    def openssl(self, *words: str, of: str = LEAF) -> subprocess.CompletedProcess[str]:
        """Ask openssl about a certificate of the folder; the CA's own file is beside it without its key."""
        ca = self.folder.parent / "ca.pem"
        ca.write_text("-----BEGIN CERT" + (self.folder / AUTHORITY).read_text().split("-----BEGIN CERT", 1)[1])
        leaf = self.folder.parent / "shown.pem"
        leaf.write_text("-----BEGIN CERT" + (self.folder / of).read_text().split("-----BEGIN CERT", 1)[1])
        line = [word.format(ca=ca, leaf=leaf, key=self.folder / of) for word in words]
        return subprocess.run(["openssl", *line], capture_output=True, text=True, check=False)

    def verify(self, *words: str) -> str:
        line = ("verify", "-x509_strict", "-purpose", "sslserver", "-attime", str(self.now_ms // 1000), *words)
        done = self.openssl(*line, "-CAfile", "{ca}", "{leaf}")
        return done.stdout.strip() + done.stderr.strip()

    def serial(self) -> str:
        return self.openssl("x509", "-in", "{leaf}", "-noout", "-serial").stdout


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "tls")


@pytest.mark.parametrize(
    "asked",
    [
        ("-verify_hostname", "hk01.local"),
        ("-verify_hostname", "localhost"),
        ("-verify_ip", "192.168.1.20"),
        ("-verify_ip", "fd12::20"),
        ("-verify_ip", "127.0.0.1"),
        ("-verify_hostname", "till.shop.example"),
    ],
)
def test_the_first_start_makes_what_a_strict_reader_accepts(world: World, asked: tuple[str, ...]) -> None:
    world.hub(names=("till.shop.example",))
    assert world.verify(*asked).endswith("shown.pem: OK")
    assert "OK" not in world.verify("-verify_hostname", "hk02.local")
    assert "OK" not in world.verify("-verify_ip", "192.168.1.21")


def test_the_certificate_is_one_that_an_ipad_takes(world: World) -> None:
    world.hub()
    text = world.openssl("x509", "-in", "{leaf}", "-noout", "-text", "-dates", "-dateopt", "iso_8601").stdout
    begins, ends = (
        datetime.fromisoformat(re.search(rf"{which}=(\S+ \S+)Z", text)[1]).replace(tzinfo=UTC)  # type: ignore[index]
        for which in ("notBefore", "notAfter")
    )
    now = datetime.fromtimestamp(NOW_MS / 1000, UTC)
    assert (ends - begins).days <= 397 and begins < now < ends
    assert "TLS Web Server Authentication" in text and "DNS:hk01.local" in text and "CA:FALSE" in text


def test_keys_are_for_their_owner_only(world: World) -> None:
    world.hub()
    assert stat.S_IMODE(world.folder.stat().st_mode) == 0o700
    (world.folder / AUTHORITY).chmod(0o644)
    world.hub()
    assert [stat.S_IMODE(path.stat().st_mode) for path in sorted(world.folder.iterdir())] == [0o600, 0o600]


def test_no_key_is_in_the_log(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    world.hub().renew("asked")
    said = caplog.text + "".join(str(record.__dict__) for record in caplog.records)
    keys = [(world.folder / name).read_text().split("KEY-----")[1] for name in (AUTHORITY, LEAF)]
    assert "a certificate was made" in said
    assert not [line for key in keys for line in key.split("\n") if len(line) > 20 and line in said]


@pytest.mark.parametrize("named", ["DNS:bank.example", "IP:8.8.8.8", "DNS:hk01.local,DNS:bank.example"])
def test_a_stolen_authority_passes_for_no_bank(world: World, named: str) -> None:
    """Signed by openssl with the CA's own key, as a thief would."""
    world.hub()
    (world.folder.parent / "ext").write_text(f"subjectAltName={named}\nextendedKeyUsage=serverAuth\n")
    folder, ca = world.folder.parent, world.folder / AUTHORITY
    run = lambda *words: subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)  # noqa: E731
    run("req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", "k", "-subj", "/CN=x", "-out", "r")
    days = ("-days", "20000")
    run("x509", "-req", "-in", "r", "-CA", str(ca), "-CAkey", str(ca), *days, "-extfile", "ext", "-out", "thief.pem")
    world.verify()
    at = str(datetime.now(UTC).timestamp()).split(".")[0]
    done = subprocess.run(
        ["openssl", "verify", "-attime", at, "-CAfile", "ca.pem", "thief.pem"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "permitted subtree violation" in done.stderr, done


def test_a_later_start_shows_the_same_certificate(world: World) -> None:
    first = world.hub()
    shown = world.serial()
    world.now_ms += 100 * DAY_MS
    again = world.hub()
    assert world.serial() == shown
    assert (again.authority, again.leaf) == (first.authority, first.leaf)


@pytest.mark.parametrize("later_days", [LEAF_DAYS - 30 - RENEW_DAYS, LEAF_DAYS, 1000])
def test_a_certificate_that_ends_or_has_ended_is_renewed_at_the_start(world: World, later_days: int) -> None:
    authority = world.hub().authority
    shown = world.serial()
    world.now_ms += later_days * DAY_MS
    assert world.hub().authority == authority
    assert world.serial() != shown
    assert world.verify("-verify_ip", "192.168.1.20").endswith("OK")


def test_it_is_renewed_when_the_machine_gets_an_address_and_kept_when_it_loses_one(world: World) -> None:
    tls = world.hub()
    shown = world.serial()
    world.addresses = LAN[:1]
    assert tls.refresh() == ""
    assert world.serial() == shown
    world.addresses = (ip_address("10.0.0.7"),)
    before = tls.context
    assert tls.refresh() == "it lacks 10.0.0.7"
    assert world.verify("-verify_ip", "10.0.0.7").endswith("OK")
    assert tls.context is not before


def test_an_address_that_the_authority_may_not_sign_for_is_left_out_and_asked_for_once(world: World) -> None:
    tls = world.hub()
    world.addresses = (*LAN, ip_address("8.8.4.4"))
    assert tls.refresh() == "it lacks 8.8.4.4"
    assert tls.leaf is not None and tls.leaf.left_out == ("8.8.4.4",)
    assert tls.refresh() == ""
    assert world.verify("-verify_ip", "192.168.1.20").endswith("OK")


def test_a_public_address_that_the_machine_has_when_the_authority_is_made_is_signed_for(world: World) -> None:
    world.addresses = (ip_address("8.8.4.4"),)
    world.hub()
    assert world.verify("-verify_ip", "8.8.4.4").endswith("OK")


def test_a_name_that_came_later_than_the_authority_stops_the_start_with_the_remedy(world: World) -> None:
    world.hub()
    with pytest.raises(StartError, match=r"tls\.names.*till\.shop\.example.*each tablet has to trust"):
        world.hub(names=("till.shop.example",))


def write_said(path: Path, body: str) -> None:
    """Write what the first line of an authority's file would vouch for."""
    path.write_text(f"store-hub-authority {hashlib.sha256(body.encode()).hexdigest()}\n{body}")


def cut(text: str) -> str:
    return text[: len(text) // 2]


def without_key(text: str) -> str:
    return "-----BEGIN CERT" + text.split("-----BEGIN CERT", 1)[1]


def flipped(text: str) -> str:
    """One character within the authority's name: key and certificate still go together."""
    at = text.index("-----BEGIN CERT") + 130
    return text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]


@pytest.mark.parametrize("damage", [cut, without_key, flipped, lambda _: "", lambda _: "\x00\xff" * 50])
def test_a_damaged_authority_stops_the_start_and_nothing_is_overwritten(
    world: World, damage: Callable[[str], str]
) -> None:
    world.hub()
    path, leaf = world.folder / AUTHORITY, (world.folder / LEAF).read_bytes()
    path.write_text(damage(path.read_text()), encoding="latin-1")
    before = path.read_bytes()
    with pytest.raises(StartError, match=r"authority\.pem is damaged .*backup.*/pair"):
        world.hub()
    assert path.read_bytes() == before
    assert (world.folder / LEAF).read_bytes() == leaf


def test_a_key_of_another_authority_is_damage(world: World, tmp_path: Path) -> None:
    other = World(tmp_path / "other" / "tls")
    other.folder.parent.mkdir()
    world.hub()
    other.hub()
    key = (other.folder / AUTHORITY).read_text().split("-----BEGIN CERT")[0].partition("\n")[2]
    write_said(world.folder / AUTHORITY, key + without_key((world.folder / AUTHORITY).read_text()))
    with pytest.raises(StartError, match="damaged"):
        world.hub()


def test_a_leaf_where_the_authority_belongs_is_damage(world: World) -> None:
    world.hub()
    key, leaf, _ = (world.folder / LEAF).read_text().partition("\n")[2].split("-----BEGIN CERT")
    write_said(world.folder / AUTHORITY, f"{key}-----BEGIN CERT{leaf}")
    with pytest.raises(StartError, match="no certification authority"):
        world.hub()


@pytest.mark.parametrize(
    "damage", [cut, lambda _: "", lambda text: text.replace("store-hub-leaf {", "store-hub-leaf [")]
)
def test_a_damaged_certificate_is_kept_aside_and_made_anew(world: World, damage: Callable[[str], str]) -> None:
    first = world.hub()
    path = world.folder / LEAF
    path.write_text(damage(path.read_text()))
    before = path.read_bytes()
    tls = world.hub()
    assert tls.authority == first.authority
    assert (world.folder / DAMAGED).read_bytes() == before
    assert world.verify("-verify_ip", "192.168.1.20").endswith("OK")


def test_a_hub_that_boots_in_1970_shows_what_tablets_of_today_accept(world: World) -> None:
    world.now_ms, world.is_sure = 0, False
    world.hub()
    world.now_ms = FLOOR_MS + 200 * DAY_MS
    assert world.verify("-verify_ip", "192.168.1.20").endswith("OK")


def test_a_certificate_of_tomorrow_stays_while_the_clock_is_not_sure(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.hub()
    shown = world.serial()
    world.now_ms, world.is_sure = FLOOR_MS, False
    tls = world.hub()
    assert (tls.refresh(), tls.refresh()) == ("", "")
    assert world.serial() == shown
    assert caplog.text.count("the clock stands before the certificate begins") == 1


def test_a_clock_that_is_not_sure_retires_a_certificate_at_its_end_only(world: World) -> None:
    tls = world.hub()
    world.is_sure = False
    world.now_ms += (LEAF_DAYS - 31) * DAY_MS
    assert tls.refresh() == ""
    world.now_ms += DAY_MS
    assert tls.refresh() == "it ends"


def test_a_certificate_of_a_clock_that_ran_ahead_goes_when_the_clock_is_sure(world: World) -> None:
    world.now_ms += 3000 * DAY_MS
    tls = world.hub()
    world.now_ms -= 3000 * DAY_MS
    assert tls.refresh() == "it is dated ahead of the clock"
    assert world.verify("-verify_ip", "192.168.1.20").endswith("OK")


def test_a_new_certificate_of_an_unsure_clock_is_dated_no_earlier_than_the_former_one(world: World) -> None:
    tls = world.hub()
    world.now_ms, world.is_sure, world.addresses = 0, False, (ip_address("10.0.0.7"),)
    assert tls.refresh() == "it lacks 10.0.0.7"
    world.now_ms = NOW_MS + 200 * DAY_MS
    assert world.verify("-verify_ip", "10.0.0.7").endswith("OK")


def test_the_authority_of_the_other_hub_is_taken_once_and_whole(world: World, tmp_path: Path) -> None:
    first = world.hub()
    beside = World(tmp_path / "beside" / "tls")
    beside.folder.parent.mkdir()
    follower = beside.hub(makes_authority=False)
    assert (follower.context, follower.authority) == (None, None)
    with pytest.raises(StartError, match="damaged"):
        follower.adopt(cut(first.authority_with_key()))
    assert not (beside.folder / AUTHORITY).exists()
    follower.adopt(first.authority_with_key())
    assert follower.authority == first.authority
    assert beside.verify("-verify_ip", "192.168.1.20").endswith("OK")
    with pytest.raises(StartError, match="nothing was written"):
        follower.adopt(first.authority_with_key())


def test_a_profile_holds_the_certificate_that_openssl_reads(world: World) -> None:
    authority = world.hub().authority
    assert authority is not None
    profile = plistlib.loads(configuration_profile(authority, organization="示範店 Demo"))
    (payload,) = profile["PayloadContent"]
    (world.folder.parent / "p.der").write_bytes(payload["PayloadContent"])
    asked = ("x509", "-inform", "der", "-in", str(world.folder.parent / "p.der"), "-noout", "-fingerprint", "-sha256")
    said = world.openssl(*asked).stdout
    assert said.strip().split("=")[1].replace(":", "").lower() == authority.sha256
    assert (profile["PayloadType"], payload["PayloadType"]) == ("Configuration", "com.apple.security.root")
    assert ssl.DER_cert_to_PEM_cert(payload["PayloadContent"]).strip() == authority.pem.strip()


def test_the_kernel_names_the_addresses_that_its_own_tables_name() -> None:
    leaves = Path("/proc/net/fib_trie").read_text().split("Local:")[0]
    said = {ip for ip in re.findall(r"\|-- (\S+)\n\s+/32 host LOCAL", leaves) if not ip.startswith("127.")}
    assert {str(each) for each in machine_addresses() if each.version == 4} == said


@given(st.binary(max_size=200))
def test_whatever_the_kernel_would_say_is_read_to_its_end(answer: bytes) -> None:
    read_answer(answer)


def test_loopback_and_link_local_addresses_are_no_way_to_a_hub() -> None:
    given_ = {ip_address(each) for each in ("fe80::1", "127.0.0.1", "::1", "10.0.0.2", "fd12::1", "192.168.0.9")}
    assert [str(each) for each in ordered(given_)] == ["10.0.0.2", "192.168.0.9", "fd12::1"]
