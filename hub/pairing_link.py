"""How a tablet is told where the hub is, what it has to show and the code that pairs it: one link, as text and as QR.

    http://192.168.1.20:8443/pair#code=ABCD2345&ca=<SHA-256 of the store's CA, 64 hex digits>

A browser opens it: plain HTTP has nothing but the page that says how to trust the CA, and leads on to https (docs/tls.md). A till
program takes host, port, code and fingerprint from it and speaks https only. What follows `#` is never sent to anybody.
"""

from hub.runtime import Runtime
from hub.tls.addresses import bracketed, outward_address


def page_url(hub: Runtime) -> str:
    """Return where a tablet begins."""
    return f"http://{_authority(hub)}/pair"


def secure_url(hub: Runtime) -> str:
    """Return where a tablet that trusts the CA goes on; on a hub for this machine only the same as it began with."""
    return f"{'http' if hub.tls is None else 'https'}://{_authority(hub)}"


def pairing_link(hub: Runtime, code: str) -> str:
    """Return the link of a code."""
    fingerprint = hub.ca_fingerprint()
    return f"{page_url(hub)}#code={code}" + (f"&ca={fingerprint}" if fingerprint else "")


def spelled(fingerprint: str) -> str:
    """Return a fingerprint as tablets show it: pairs of capital hex digits."""
    capitals = fingerprint.upper()
    return ":".join(capitals[at : at + 2] for at in range(0, len(capitals), 2))


def terminal_qr(link: str, *, has_colours: bool = False) -> str:
    """Return a QR code for a terminal, in half blocks; with colours it is dark on light whatever the terminal's are."""
    import segno  # here: an idle hub draws none, and has a megabyte more

    drawn = segno.make(link, error="l", micro=False)
    rows = [[bool(module) for module in row] for row in drawn.matrix_iter(border=2)]
    rows += [[False] * len(rows[0])] * (len(rows) % 2)
    begin, end = ("\x1b[97;40m", "\x1b[0m") if has_colours else ("", "")
    return "\n".join(
        begin + "".join(_HALVES[upper, lower] for upper, lower in zip(*pair, strict=True)) + end
        for pair in zip(rows[::2], rows[1::2], strict=True)
    )


# dark is drawn as nothing: where there are no colours, terminals are dark more often than not
_HALVES = {(False, False): "█", (False, True): "▀", (True, False): "▄", (True, True): " "}


def _authority(hub: Runtime) -> str:
    host = hub.config.host
    if hub.tls is not None:
        address = outward_address(hub.tls.lan_addresses())
        host = f"{hub.shop.store_id}.local" if address is None else str(address)
    return f"{bracketed(host)}:{hub.port}"
