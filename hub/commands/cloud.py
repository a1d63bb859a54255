"""`storehub cloud` and what stands below it; here `storehub cloud export --day D`, the files of one business day by hand.

Not here: what is said to a cloud that runs (hub.commands.office, hub.commands.webhooks), the cloud end (sync.cloud.main), files
(sync.cloud.exports).
"""

import argparse
import time
from pathlib import Path

from hub.commands.office import office_commands
from hub.commands.options import import_orders_options
from hub.commands.webhooks import webhook_commands

DEFAULT_CLOUD_CONFIG = Path("/etc/store-hub/cloud.toml")
_CONFIG_HELP = f"configuration file (default {DEFAULT_CLOUD_CONFIG})"


def cloud_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> argparse.ArgumentParser:
    """Add `storehub cloud` with what it can do beside running; return it."""
    cloud = _with_config(
        commands.add_parser("cloud", help="run the cloud end in the foreground, where all stores come together")
    )
    what = cloud.add_subparsers(metavar="WHAT")
    office_commands(what, _CONFIG_HELP)
    webhook_commands(what, _CONFIG_HELP)
    orders = what.add_parser("import-orders", help="orders of a marketplace from CSV or XLSX, into a running cloud")
    import_orders_options(orders).set_defaults(run=_import_orders)
    export = what.add_parser("export", help="make the files of a business day by hand")
    _with_config(export).add_argument("--day", required=True, help="business day, as 2026-11-22")
    export.add_argument("--dir", type=Path, help="where the files go (default: dir of [exports])")
    export.add_argument("--bom", action="store_true", help="with the mark by which Excel knows UTF-8")
    export.set_defaults(run=_export)
    return cloud


def _with_config(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("--config", type=Path, default=DEFAULT_CLOUD_CONFIG, help=_CONFIG_HELP)
    return parser


def _import_orders(args: argparse.Namespace) -> int:
    from hub.commands.import_orders import import_orders

    return import_orders(args)


def _export(args: argparse.Namespace) -> int:
    from sync.cloud.config import load_cloud_config
    from sync.cloud.exports.by_hand import export_by_hand

    config = load_cloud_config(args.config)
    made = export_by_hand(config, args.day, folder=args.dir, bom=args.bom, clock_ns=time.time_ns)
    said = ", ".join(f"{there.rows} {stream}" for stream, there in made.manifest.streams.items())
    print(f"{made.place}: {said}" + ("" if made.is_new else "; nothing has changed since"))
    return 0
