"""Commands that whoever operates many shops runs, by hand or from a playbook: check-config, closed, support-bundle.

Not here: what they do (hub.commands.closed, hub.support).
"""

import argparse
import sys
from datetime import datetime
from pathlib import Path

from hub.commands.options import with_config
from hub.config import load_config
from hub.migrations import MIGRATIONS
from sync.migrate import migrations


def operating_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add them."""
    check = commands.add_parser(
        "check-config", help="read the configuration and say what is wrong with it; exit code 78"
    )
    with_config(check).set_defaults(run=_check_config)

    closed = commands.add_parser(
        "closed", help="whether the shop is closed now, by [store] hours; exit code 1: it is not"
    )
    closed.add_argument(
        "--for", dest="minutes", type=int, default=0, metavar="MINUTES", help="and stays so for as long"
    )
    with_config(closed).set_defaults(run=_closed)

    bundle = commands.add_parser(
        "support-bundle", help="what a supporter asks for, without anybody's data, in one file"
    )
    bundle.add_argument("file", type=Path, help="a new file, as hk01.tar.gz")
    bundle.add_argument("--log", action="store_true", help="the log is on standard input: `journalctl -u storehub |`")
    with_config(bundle).set_defaults(run=_support_bundle)


def _check_config(args: argparse.Namespace) -> int:
    config = load_config(args.config)
    where = f"{config.host}:{config.port}"
    schema = migrations(MIGRATIONS)[-1][0]
    print(
        f"{config.shop.store_id} at {where}, {len(config.devices)} devices, data in {config.data_dir}, schema {schema}"
    )
    return 0


def _closed(args: argparse.Namespace) -> int:
    from hub.client import now_ms
    from hub.commands.closed import say_whether_closed

    shop = load_config(args.config).shop
    return say_whether_closed(shop, datetime.fromtimestamp(now_ms() / 1000, shop.zone), minutes=args.minutes)


def _support_bundle(args: argparse.Namespace) -> int:
    from hub.support.bundle import write_bundle

    log = sys.stdin.buffer.read() if args.log else b""
    print(write_bundle(load_config(args.config), args.config, args.file, log=log))
    return 0
