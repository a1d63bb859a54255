"""`storehub cashier add | unlock`: the first cashiers of a store, and the way back in when its last manager is locked.

Both go to the running hub over its control socket. A PIN is never an argument: it would stand in the list of processes.
"""

import argparse
import getpass
import sys

import msgspec

from hub.api.staff.cashiers import EnrolRequest
from hub.commands.asking import ask
from hub.config import Config
from hub.errors import RefusedError


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
    view = ask(config, lambda client: client.enrol_cashier(request))
    print(
        f"{view.cashier_id}: {view.role}, signs in with number {view.number}; asked to change the PIN at the first sign-in"
    )
    return 0


def unlock_cashier(args: argparse.Namespace, config: Config) -> int:
    """Forget the wrong PINs of a cashier."""
    view = ask(config, lambda client: client.unlock_cashier(args.id, args.reason))
    print(f"{view.cashier_id} may sign in again")
    return 0


def _read_pin() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().strip()
    pin = getpass.getpass("PIN: ")
    if pin != getpass.getpass("the same PIN again: "):
        raise RefusedError("pin", "the two PINs differ: nothing was changed")
    return pin
