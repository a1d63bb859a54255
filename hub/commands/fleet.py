"""`storehub fleet`: how one cloud end bears a fleet of stores; see docs/fleet.md. No books of this machine are touched."""

import argparse
import asyncio
import sys
from pathlib import Path

import msgspec

from sync.errors import ConfigError, one_error

COST_AT = (10, 100, 1000)
LIVE_S = 10.0
STORES_MAX = 5000


def fleet_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add it."""
    fleet = commands.add_parser("fleet", help="try the cloud end with many simulated stores; what a row costs it")
    fleet.add_argument("--stores", type=int, default=100, metavar="N", help="on virtual time (default 100)")
    fleet.add_argument("--hours", type=float, default=1.0, metavar="H", help="of selling (default 1)")
    fleet.add_argument("--live", type=int, default=0, metavar="M", help="and so many on real sockets, in real time")
    fleet.add_argument("--backlog", type=int, default=0, metavar="LINES", help="one of those comes with a backlog")
    fleet.add_argument("--seed", type=int, default=1, metavar="S", help="the same seed sells the same (default 1)")
    fleet.add_argument("--folder", type=Path, default=Path(), metavar="DIR", help="where the files lie meanwhile")
    fleet.add_argument("--json", action="store_true", help="for programs")
    fleet.set_defaults(run=_fleet)


def _fleet(args: argparse.Namespace) -> int:
    if not 1 <= args.stores <= STORES_MAX or not 0 < args.hours <= 168 or not 0 <= args.live <= 1000:
        raise ConfigError(f"fleet: --stores 1 to {STORES_MAX}, --hours up to 168, --live up to 1000")
    if args.backlog and args.live < 2:
        raise ConfigError("fleet: --backlog is of one live store while others sell; write --live 2 or more")
    from hub.client import now_ms
    from sync.testing.fleet.figures import report, said
    from sync.testing.fleet.live import run_live
    from sync.testing.fleet.running import cost_per_row, run_virtual

    folder, seed = args.folder.resolve(), args.seed
    virtual = run_virtual(folder, stores=args.stores, hours=args.hours, seed=seed, say=_say)
    costs = []
    for stores in COST_AT:
        _say(f"what a row costs at {stores} stores")
        costs.append(cost_per_row(folder, stores=stores, seed=seed))
    live = None
    if args.live:
        _say(f"{args.live} stores on real sockets")
        with one_error():
            live = asyncio.run(
                run_live(
                    folder,
                    stores=args.live,
                    seconds=LIVE_S,
                    backlog_lines=args.backlog,
                    seed=seed,
                    now_ms=now_ms,
                )
            )
    found = report(seed, virtual, costs, live)
    print(msgspec.json.encode(found).decode() if args.json else "\n".join(said(found)))
    return 1 if virtual.unbalanced or (live is not None and live.unbalanced) else 0


def _say(what: str) -> None:
    print(f"  {what}", file=sys.stderr)
