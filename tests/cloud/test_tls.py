"""The cloud end by TLS: its own certificate, the stores' certificates beside their tokens. Real sockets, OpenSSL on both ends."""

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sync.cloud.collect.authority import STORE_DAYS, own_authority
from sync.cloud.collect.listening import load_certificate, serving_context
from sync.cloud.config import TlsFiles, parse_cloud_config
from sync.errors import ConfigError

TOKENS = {"hk01": "hk01-token-0123456789", "hk02": "hk02-token-0123456789"}
OFFICE = "office-token-0123456789"


def self_signed(folder: Path, name: str = "server") -> tuple[Path, Path]:
    """What a public CA would give the cloud: certificate and key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "cloud.example")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=9))
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    certificate = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    files = folder / f"{name}.crt", folder / f"{name}.key"
    files[0].write_bytes(certificate.public_bytes(pem))
    files[1].write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return files


def request_for(folder: Path, name: str) -> tuple[str, Path]:
    """A hub's own key and its request, which asks for a name that is not its own: only the key is taken."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "somebody else")])
    csr = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    file = folder / f"{name}.key"
    file.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return csr.public_bytes(pem).decode(), file


class Asking:
    """Whoever asks a cloud by TLS, with or without a certificate."""

    def __init__(self, cloud: Any, folder: Path) -> None:
        self.cloud, self.folder = cloud, folder
        self.url = f"https://127.0.0.1:{cloud.port}"

    async def post(self, path: str, body: Any, *, token: str = "", shows: tuple[Path, Path] | None = None) -> Any:
        context = ssl.create_default_context(cafile=self.folder / "server.crt")
        if shows:
            context.load_cert_chain(*shows)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.post(self.url + path, json=body, ssl=context) as answer,
        ):
            return answer.status, await answer.json()

    async def certificate(self, store: str) -> tuple[Path, Path]:
        """Enrol a hub of a store; return what it shows from then on."""
        _, made = await self.post("/cloud/v1/enrolments", {"store": store}, token=OFFICE)
        csr, key = request_for(self.folder, store)
        wanted = {"code": made["code"], "store": store, "token": f"drawn-by-the-hub-of-{store}-0123456789", "csr": csr}
        status, joined = await self.post("/sync/v1/enrol", wanted)
        assert status == 201, joined
        file = self.folder / f"{store}.crt"
        file.write_text(joined["certificate"])
        return file, key


@pytest.fixture
async def start_tls(start_cloud: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Start a cloud that listens by TLS and asks for certificates as told."""
    self_signed(tmp_path)

    async def start(wanted: str, authority: str = "") -> Asking:
        told = {"tls_certificate": "server.crt", "tls_key": "server.key", "client_certificates": wanted}
        end = await start_cloud(cloud=told | {"client_authority": authority}, now=datetime.now(UTC))
        return Asking(end, tmp_path)

    return start


async def test_a_store_is_let_in_with_its_own_certificate_only(start_tls: Any) -> None:
    asking = await start_tls("required")
    mine, theirs = await asking.certificate("hk01"), await asking.certificate("hk02")

    bare = await asking.post("/sync/v1/renew", {}, token=TOKENS["hk01"])
    wrong = await asking.post("/sync/v1/renew", {}, token=TOKENS["hk01"], shows=theirs)
    right = await asking.post("/sync/v1/renew", {}, token=TOKENS["hk01"], shows=mine)

    assert (bare[0], bare[1]["code"]) == (403, "no_certificate")
    assert (wrong[0], wrong[1]["code"]) == (403, "wrong_certificate")
    assert right[0] == 200


async def test_a_certificate_alone_opens_nothing(start_tls: Any) -> None:
    asking = await start_tls("required")
    mine = await asking.certificate("hk01")

    assert (await asking.post("/sync/v1/renew", {}, shows=mine))[0] == 401
    assert (await asking.post("/cloud/v1/enrolments", {"store": "hk01"}, shows=mine))[0] == 401


async def test_a_certificate_is_renewed_by_who_has_one(start_tls: Any, tmp_path: Path) -> None:
    asking = await start_tls("required")
    mine = await asking.certificate("hk01")
    csr, _ = request_for(tmp_path, "hk01-newer")

    status, joined = await asking.post("/sync/v1/renew", {"csr": csr}, token=TOKENS["hk01"], shows=mine)

    leaf, authority = x509.load_pem_x509_certificates(joined["certificate"].encode())
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert status == 200 and names.get_values_for_type(x509.UniformResourceIdentifier) == ["urn:storehub:store:hk01"]
    assert 0 <= (leaf.not_valid_after_utc - datetime.now(UTC)).days - STORE_DAYS + 1 <= 1
    leaf.verify_directly_issued_by(authority)


async def test_optional_certificates_are_checked_where_one_is_shown(start_tls: Any) -> None:
    asking = await start_tls("optional")
    theirs = await asking.certificate("hk02")

    assert (await asking.post("/sync/v1/renew", {}, token=TOKENS["hk01"]))[0] == 200
    assert (await asking.post("/sync/v1/renew", {}, token=TOKENS["hk01"], shows=theirs))[0] == 403


async def test_a_certificate_of_a_stranger_is_refused_by_tls_itself(start_tls: Any, tmp_path: Path) -> None:
    asking = await start_tls("optional")
    stranger = self_signed(tmp_path, "stranger")

    with pytest.raises(aiohttp.ClientError):
        await asking.post("/sync/v1/renew", {}, token=TOKENS["hk01"], shows=stranger)


async def test_what_cannot_be_signed_spends_no_code(start_tls: Any) -> None:
    asking = await start_tls("required")
    _, made = await asking.post("/cloud/v1/enrolments", {"store": "hk01"}, token=OFFICE)
    wanted = {"code": made["code"], "store": "hk01", "token": "drawn-by-the-hub-0123456789-0123456789"}

    status, said = await asking.post("/sync/v1/enrol", wanted | {"csr": "no request"})

    assert (status, said["code"]) == (422, "certificate_request")
    assert (await asking.post("/sync/v1/enrol", wanted))[0] == 201


def test_the_authority_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    now_ms = int(datetime.now(UTC).timestamp() * 1000)
    path = own_authority(tmp_path, "cloud", now_ms=now_ms)
    before = path.read_bytes()

    assert own_authority(tmp_path, "cloud", now_ms=now_ms + 1).read_bytes() == before
    assert path.stat().st_mode & 0o077 == 0


def test_a_renewed_certificate_is_shown_without_a_restart(tmp_path: Path) -> None:
    """Both handshakes in memory, by the same context."""
    files = TlsFiles(*self_signed(tmp_path), "off", None)
    context = serving_context(files, None)
    first = shown_by(context)
    self_signed(tmp_path)

    load_certificate(context, files)

    assert shown_by(context) == (tmp_path / "server.crt").read_text() != first


def shown_by(context: ssl.SSLContext) -> str:
    """The certificate that a client gets to see."""
    reader = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    reader.check_hostname, reader.verify_mode = False, ssl.CERT_NONE
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    client, server = reader.wrap_bio(down, up), context.wrap_bio(up, down, server_side=True)
    for _ in range(3):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return ssl.DER_cert_to_PEM_cert(client.getpeercert(binary_form=True) or b"")


@pytest.mark.parametrize(
    ("cloud", "said"),
    [
        ({"host": "0.0.0.0"}, "tls_certificate and tls_key"),
        ({"tls_key": "x"}, "go together"),
        ({"client_certificates": "required"}, "by TLS only"),
        ({"tls_certificate": "c", "tls_key": "k", "client_authority": "ca"}, "nobody is asked"),
    ],
)
def test_what_does_not_go_together_is_named(tmp_path: Path, cloud: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        parse_cloud_config({"cloud": cloud}, base=tmp_path)


def test_files_that_are_no_certificates_are_named(tmp_path: Path) -> None:
    (tmp_path / "k").write_text("no key")
    with pytest.raises(ConfigError, match="tls_key"):
        serving_context(TlsFiles(tmp_path / "k", tmp_path / "k", "off", None), None)
    with pytest.raises(ConfigError, match="client_authority"):
        serving_context(TlsFiles(*self_signed(tmp_path), "required", None), tmp_path / "k")
