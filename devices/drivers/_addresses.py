"""Where a device of the network is: `host`, `host:port`, `[IPv6]` or `[IPv6]:port`, as every option `address` says it."""


def split_address(address: str, *, port: int) -> tuple[str, int]:
    """Return host and port, `port` where none is said; raise ValueError with the remedy."""
    if address.startswith("["):
        host, bracket, rest = address[1:].partition("]")
        said = rest.removeprefix(":")
        is_formed = bool(bracket) and (not rest or rest.startswith(":"))
    else:
        host, colon, said = address.partition(":")
        is_formed = not colon or bool(said)
    is_formed = (
        is_formed and bool(host) and (not said or (said.isascii() and said.isdigit() and 0 < int(said) < 65_536))
    )
    if not is_formed:
        raise ValueError(f"address {address!r} is not host:port; write 192.168.1.50:{port} or [fe80::1]:{port}")
    return host, int(said or port)
