"""What every X.509 certificate of ours begins with, whoever signs it, and how it is written. Pure.

Source: RFC 5280 (4.2.1.3 key usage, 4.2.1.9 basic constraints). Not here: names and what else a certificate says (hub.tls.making,
sync.cloud.collect.authority).
"""

from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat


def begin(
    subject: x509.Name,
    key: CertificatePublicKeyTypes,
    *,
    issuer: x509.Name,
    between_ms: tuple[int, int],
    signs: bool,
) -> x509.CertificateBuilder:
    """Return a certificate that is good between two times: an authority's that `signs` leaves, or a leaf's. Not signed yet."""
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(_utc(between_ms[0]))
        .not_valid_after(_utc(between_ms[1]))
        .add_extension(x509.BasicConstraints(ca=signs, path_length=0 if signs else None), critical=True)
        .add_extension(_usage(signs=signs), critical=True)
    )


def pem(*chain: x509.Certificate, key: ec.EllipticCurvePrivateKey | None = None) -> str:
    """Return a private key, where there is one, and certificates as one text, in this order."""
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) if key else b""
    return b"".join((private, *(each.public_bytes(Encoding.PEM) for each in chain))).decode("ascii")


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _utc(ms: int) -> datetime:
    return datetime.fromtimestamp(ms // 1000, UTC)
