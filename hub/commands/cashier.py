"""`storehub cashier add | unlock`: the first cashiers of a store, and the way back in when its last manager is locked.

Both go to the running hub over its control socket. A PIN is never an argument: it would stand in the list of processes.
"""

import argparse
import asyncio
import getpass
import sys
from collections.abc import Awaitable, Callable

import msgspec

from hub.api.cashiers import EnrolRequest
from hub.client import HubClient
from hub.config import Config
from hub.errors import RefusedError
from hub.store.staff.cashiers import CashierView
from sync.errors import StartError


def add_cashier(args: argparse.Namespace, config: Config) -> int:
    """Enrol a cashier of a running hub; the PIN comes from the terminal, else from the first line of standard input."""
    said = {
        "cashier_id": args.id or f"c{args.number}",
        "number": args.number,
        "name": args.name,
        "role": args.role,
        "pin": _read_pin(),
    }
    try:
        request = msgspec.convert(said, EnrolRequest)
    except msgspec.ValidationError as err:
        raise RefusedError("invalid_field", str(err).replace("$.", "")) from err
    view = _ask(config, lambda client: client.enrol_cashier(request))
    print(
        f"{view.cashier_id}: {view.role}, signs in with number {view.number}; asked to change the PIN at the first sign-in"
    )
    return 0


def unlock_cashier(args: argparse.Namespace, config: Config) -> int:
    """Forget the wrong PINs of a cashier."""
    view = _ask(config, lambda client: client.unlock_cashier(args.id, args.reason))
    print(f"{view.cashier_id} may sign in again")
    return 0


def _ask(config: Config, ask: Callable[[HubClient], Awaitable[CashierView]]) -> CashierView:
    if not config.is_running():
        raise StartError(f"no hub runs on {config.data_dir}; start it with `storehub run`")

    async def asked() -> CashierView:
        async with HubClient("http://hub", unix_socket=config.control_socket) as client:
            return await ask(client)

    return asyncio.run(asked())


def _read_pin() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().strip()
    pin = getpass.getpass("PIN: ")
    if pin != getpass.getpass("the same PIN again: "):
        raise RefusedError("pin", "the two PINs differ: nothing was changed")
    return pin
