"""Makes what is signed: the store's certification authority, and the leaf of one hub.

The authority signs for this shop only: names below .local, the ranges of private networks, what the configuration names, and what
this machine was called when it was made (name constraints, critical). Whoever steals the key cannot be a bank with it.
Sources: RFC 5280 (4.2.1.10 name constraints); CA/Browser Forum baseline requirements 7.1; support.apple.com/en-us/103769 (a leaf
has serverAuth and a subject alternative name) and /102028 (398 days). Not here: files, and when a leaf is due (hub.tls.keeper).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_network

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hub.tls.addresses import Address
from sync.certificates import begin, pem

_PRIVATE = tuple(
    ip_network(each)
    for each in (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "169.254.0.0/16",
        "127.0.0.0/8",
        "fc00::/7",
        "fe80::/10",
        "::1/128",
    )
)
_LOCAL = ("local", "localhost")


@dataclass(frozen=True, slots=True)
class Made:
    """Private key and certificate in one PEM text, as OpenSSL reads it; `left_out` is what the authority may not sign for."""

    pem: str
    left_out: tuple[str, ...] = ()


def make_authority(store_id: str, *, names: Iterable[str], addresses: Iterable[Address], days: tuple[int, int]) -> Made:
    """Return a new authority; `days` are the milliseconds between which it is good."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject_key = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    common_name = f"{store_id} store CA {subject_key.digest.hex()[:8]}"
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Store hub"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )
    certificate = (
        begin(name, key.public_key(), issuer=name, between_ms=days, signs=True)
        .add_extension(subject_key, critical=False)
        .add_extension(x509.NameConstraints(_permitted(names, addresses), None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return Made(pem(certificate, key=key))


def make_leaf(authority_pem: str, *, names: Sequence[str], addresses: Sequence[Address], days: tuple[int, int]) -> Made:
    """Return a leaf with a key of its own; `days` are the milliseconds between which it is good."""
    authority = x509.load_pem_x509_certificate(authority_pem.encode())
    signer = serialization.load_pem_private_key(authority_pem.encode(), password=None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey), "an authority of ours"
    signed, left_out = _sorted_out(authority, names, addresses)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    builder = (
        begin(subject, key.public_key(), issuer=authority.subject, between_ms=days, signs=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(signed), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    return Made(pem(builder.sign(signer, hashes.SHA256()), authority, key=key), left_out)


def _permitted(names: Iterable[str], addresses: Iterable[Address]) -> list[x509.GeneralName]:
    own = [ip_network(each) for each in addresses]
    dns = [x509.DNSName(name) for name in dict.fromkeys((*_LOCAL, *names)) if name not in _LOCAL]
    return [
        *(x509.DNSName(name) for name in _LOCAL),
        *dns,
        *(x509.IPAddress(network) for network in _PRIVATE),
        *(
            x509.IPAddress(each)
            for each in own
            if not any(_holds(network, each.network_address) for network in _PRIVATE)
        ),
    ]


def _sorted_out(
    authority: x509.Certificate, names: Iterable[str], addresses: Iterable[Address]
) -> tuple[list[x509.GeneralName], tuple[str, ...]]:
    """Return what the authority may sign for, and what it may not."""
    permitted = authority.extensions.get_extension_for_class(x509.NameConstraints).value.permitted_subtrees or []
    domains = [each.value for each in permitted if isinstance(each, x509.DNSName)]
    networks = [each.value for each in permitted if isinstance(each, x509.IPAddress)]
    good_names = [name for name in names if any(name == each or name.endswith(f".{each}") for each in domains)]
    good_addresses = [each for each in addresses if any(_holds(network, each) for network in networks)]
    left_out = (set(names) - set(good_names)) | {str(each) for each in set(addresses) - set(good_addresses)}
    signed = [*map(x509.DNSName, good_names), *map(x509.IPAddress, good_addresses)]
    return signed, tuple(sorted(left_out))


def _holds(network: object, address: Address) -> bool:
    """Whether a network of the same version holds the address."""
    return getattr(network, "version", 0) == address.version and address in network  # type: ignore[operator]
