"""`storehub tls show | renew` and what `storehub pair` says beside the code.

`show` reads the files, whether the hub runs or not. `renew` goes to the running hub. Keys are never shown.
"""

import asyncio
import sys
from datetime import UTC, datetime

from hub.api.staff.pairing import CodeAnswer
from hub.client import HubClient
from hub.config import Config
from hub.pairing_link import spelled, terminal_qr
from hub.tls.files import Authority, Leaf, read_authority, read_leaf
from sync.errors import StartError


def show_tls(config: Config, *, as_pem: bool) -> int:
    """Print the store's CA and this hub's certificate, or the CA in PEM."""
    authority = read_authority(config.tls_folder)
    if authority is None:
        raise StartError(_none(config))
    if as_pem:
        print(authority.pem.rstrip())
        return 0
    kept = read_leaf(config.tls_folder)
    _print_authority(authority)
    if kept is not None:
        _print_leaf(kept[0])
    return 0


def renew_tls(config: Config) -> int:
    """Make the certificate of a running hub anew; tablets trust it as they did the former one."""
    if not config.is_on_lan:
        raise StartError(_none(config))
    if not config.is_running():
        raise StartError(
            f"no hub runs on {config.data_dir}: it makes what is due when it is started with `storehub run`"
        )

    async def ask() -> Leaf:
        async with HubClient("http://hub", unix_socket=config.control_socket) as client:
            return await client.renew_certificate()

    _print_leaf(asyncio.run(ask()))
    return 0


def tell_code(answer: CodeAnswer) -> None:
    """Print a code on standard output, and on standard error where it is spent: `code=$(storehub pair)` gets the code."""
    print(answer.code, flush=True)
    said = [f"open {answer.url} on the tablet, or scan:", terminal_qr(answer.link, has_colours=sys.stderr.isatty())]
    if answer.ca_sha256:
        said.append(f"the store's CA, compare it on the tablet (SHA-256):\n  {answer.ca_sha256}")
    said.append(f"the code is good once, for {answer.expires_s // 60} minutes")
    print("\n".join(said), file=sys.stderr)


def _print_authority(authority: Authority) -> None:
    print(f"store CA      {authority.name}")
    print(f"  SHA-256     {spelled(authority.sha256)}")
    print(f"  good        {_day(authority.not_before_ms)} to {_day(authority.not_after_ms)}")


def _print_leaf(leaf: Leaf) -> None:
    print("certificate   of this hub")
    print(f"  names       {', '.join(leaf.names)}")
    print(f"  addresses   {', '.join(leaf.addresses)}")
    print(f"  good        {_day(leaf.not_before_ms)} to {_day(leaf.not_after_ms)}")
    if leaf.left_out:
        print(f"  left out    {', '.join(leaf.left_out)}: the store's CA may not sign for them")


def _none(config: Config) -> str:
    if not config.is_on_lan:
        return (
            f'this hub listens on {config.host} only and has no store CA; set [api] host = "0.0.0.0" to serve tablets'
        )
    return f"there is no store CA in {config.tls_folder} yet; it is made when the hub is started with `storehub run`"


def _day(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).date().isoformat()
