"""The cloud's own certification authority for its stores, and the certificates it signs.

DIR/authority.pem holds key and certificate, for the cloud's user only. A store's certificate names it as a URI,
`urn:storehub:store:ID`, and is good for clients alone: it can be no server. Sources: RFC 5280 (4.2.1.6, 4.2.1.12); RFC 2986 (the
request). Not here: who may have one (sync.cloud.web.enrol_routes), what is read of one (sync.cloud.collect.listening).
"""

import os
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sync.certificates import begin, pem
from sync.cloud.collect.listening import store_uri
from sync.errors import StartError, SyncError

FILE = "authority.pem"
DAY_MS = 86_400_000
AUTHORITY_DAYS = 7300  # it is replaced with the cloud's house, not by a calendar
STORE_DAYS = 398
BACK_MS = DAY_MS  # a hub's clock may be behind


class RequestError(SyncError):
    """A certificate signing request cannot be signed; nothing was changed."""

    def __init__(self, detail: str) -> None:
        super().__init__("certificate_request", detail)


def own_authority(folder: Path, cloud_id: str, *, now_ms: int) -> Path:
    """Return the file of the cloud's authority, made at the first call; raise StartError where it cannot be written."""
    path = folder / FILE
    if not path.exists():
        _write(path, _new_authority(cloud_id, now_ms))
    return path


def check_request(said: str) -> x509.CertificateSigningRequest:
    """Return a request whose key is its sender's; raise RequestError."""
    try:
        request = x509.load_pem_x509_csr(said.encode("ascii", "replace"))
        is_signed = request.is_signature_valid
    except (ValueError, InvalidSignature, UnsupportedAlgorithm) as err:
        raise RequestError(f"this is no certificate request in PEM: {err}") from err
    if not is_signed or not isinstance(request.public_key(), ec.EllipticCurvePublicKey):
        raise RequestError("a request is signed by its own key, on an elliptic curve (P-256)")
    return request


def sign(authority: Path, request: x509.CertificateSigningRequest, store: str, *, now_ms: int) -> str:
    """Return a store's certificate and the authority's, in PEM. Of the request only the key is taken."""
    own = authority.read_bytes()
    signer = serialization.load_pem_private_key(own, password=None)
    issuer = x509.load_pem_x509_certificate(own)
    assert isinstance(signer, ec.EllipticCurvePrivateKey), "an authority of ours"
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, store)])
    between_ms = now_ms - BACK_MS, now_ms + STORE_DAYS * DAY_MS
    certificate = (
        begin(subject, request.public_key(), issuer=issuer.subject, between_ms=between_ms, signs=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(store_uri(store))]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .sign(signer, hashes.SHA256())
    )
    return pem(certificate, issuer)


def _new_authority(cloud_id: str, now_ms: int) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    subject_key = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    name = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, f"{cloud_id} store authority {subject_key.digest.hex()[:8]}")]
    )
    between_ms = now_ms - BACK_MS, now_ms + AUTHORITY_DAYS * DAY_MS
    certificate = (
        begin(name, key.public_key(), issuer=name, between_ms=between_ms, signs=True)
        .add_extension(subject_key, critical=False)
        .sign(key, hashes.SHA256())
    )
    return pem(certificate, key=key)


def _write(path: Path, text: str) -> None:
    """Write for the owner only, whole or not at all, durable when this returns."""
    fresh = path.with_suffix(".new")
    try:
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        fresh.replace(path)
    except OSError as err:
        raise StartError(f"{path}: {err.strerror}; make [cloud] dir writable, or free some space") from err
