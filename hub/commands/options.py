"""Options that several commands take, or one takes many of. Not here: which commands there are (hub.cli)."""

import argparse
from pathlib import Path

DEFAULT_CONFIG = Path("/etc/store-hub/hub.toml")


def with_config(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Let a command be told the hub's configuration."""
    parser.add_argument(
        "--config", type=Path, default=DEFAULT_CONFIG, help=f"configuration file (default {DEFAULT_CONFIG})"
    )
    return parser


def import_options(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Add what `storehub import products` takes."""
    parser.add_argument("file", type=Path, help=".csv, .json, or either with .gz")
    parser.add_argument(
        "--map", metavar="OURS=THEIRS,…", help="which column is what, as sku=Code,name_en=Title,price=Price"
    )
    parser.add_argument("--retailer", help="Hong Kong price data: whose price (default the lowest)")
    parser.add_argument("--currency", help="what the prices are in, where the file does not say (default the shop's)")
    parser.add_argument("--language", choices=("en", "zh-Hant"), default="en", help="of the report (default en)")
    parser.add_argument("--dry-run", action="store_true", help="report only, write nothing")
    parser.add_argument(
        "--cloud", metavar="URL", help="send to this cloud instead; without opening stock, no store is needed"
    )
    parser.add_argument(
        "--cloud-token-file", type=Path, metavar="FILE", help="where an office token of that cloud stands"
    )
    return parser


def import_orders_options(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Add what `storehub cloud import-orders` takes."""
    parser.add_argument("file", type=Path, help=".csv (UTF-8 or Big5) or .xlsx, as the marketplace exported it")
    parser.add_argument(
        "--mapping", type=Path, metavar="TOML", help="which column is what (default: the channel's own)"
    )
    parser.add_argument("--channel", default="", metavar="NAME", help="which marketplace (default: the only one)")
    parser.add_argument("--dry-run", action="store_true", help="say what it would come to, write nothing")
    parser.add_argument("--language", choices=("en", "zh-Hant"), default="en", help="of the report (default en)")
    parser.add_argument("--json", action="store_true", help="the whole report, both languages, for programs")
    parser.add_argument("--config", type=Path, default=argparse.SUPPRESS, help="as of `storehub cloud`")
    return parser


def follow_options(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Add what `storehub follow` takes."""
    parser.add_argument("key", help="a sale's id, or its receipt number")
    parser.add_argument(
        "--log",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="read this instead of the journal; - is stdin",
    )
    parser.add_argument("--since", default="-7 days", metavar="WHEN", help="as journalctl takes it (default -7 days)")
    return parser


def standby_options(standby: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Add what `storehub standby` does."""
    what = standby.add_subparsers(required=True, metavar="WHAT", dest="what")
    status = with_config(
        what.add_parser("status", help="both hubs; exit code 1 where something stands against going over")
    )
    status.add_argument("--json", action="store_true", help="for programs")
    with_config(what.add_parser("promote", help="tills are to be at this hub from now on"))
    with_config(what.add_parser("hand-back", help="tills are to be at the other hub again"))
    return standby


def demo_options(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Add what `storehub demo` takes."""
    parser.add_argument("--port", type=int, help="where the hub listens (default 8080; with --once a free one)")
    parser.add_argument("--cloud-port", type=int, help="where the cloud listens (default 8081; with --once a free one)")
    parser.add_argument("--data", type=Path, help="the store's data (default .demo; with --once a temporary folder)")
    parser.add_argument(
        "--import", dest="import_file", type=Path, metavar="FILE", help="import this catalogue at the start"
    )
    parser.add_argument("--no-shoppers", action="store_true", help="leave the store to you")
    once = parser.add_argument_group("a scripted day, then an audit (exit code 0: all promises hold)")
    once.add_argument("--once", action="store_true", help="play a day with outages and a kill, audit it, end")
    breaks = ("lose", "double", "misprint", "oversell", "miscount")
    once.add_argument("--break", dest="fault", choices=breaks, help="plant one fault, which the audit must name")
    once.add_argument("--seed", type=int, help="play the day of this seed again")
    once.add_argument(
        "--day-seconds", type=float, default=100.0, metavar="S", help="how long the shop is open (default 100)"
    )
    return parser
