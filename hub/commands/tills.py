"""`storehub tills list | revoke`: who was paired, and shutting out a tablet that was lost, by the control socket."""

from hub.commands.asking import ask
from hub.config import Config
from hub.store.staff.tills import TillView


def list_tills(config: Config) -> int:
    """Print one line a client, in the order of pairing."""
    for view in ask(config, lambda client: client.tills()):
        print("\t".join(_words(view)))
    return 0


def revoke_till(till_id: str, config: Config) -> int:
    """Shut a client out."""
    view = ask(config, lambda client: client.revoke_till(till_id))
    print(f"{view.till_id} ({view.name}) is shut out; pair it again to let it in")
    return 0


def _words(view: TillView) -> list[str]:
    revoked = "good" if view.revoked_at is None else f"revoked {view.revoked_at:%Y-%m-%dT%H:%M:%SZ}"
    return [view.till_id, view.scope, view.name, f"paired {view.paired_at:%Y-%m-%dT%H:%M:%SZ}", revoked]
