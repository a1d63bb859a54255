"""The command line of `storehub backup …` and `storehub restore`. Not here: what they do (hub.commands.backup)."""

import argparse
from pathlib import Path

from hub.commands.options import with_config
from hub.config import load_config

REASONS = ("manual", "nightly", "upgrade")
TARGETS = ("folder", "rsync", "s3")


def backup_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add them."""
    what = commands.add_parser("backup", help="encrypted copies of the books elsewhere").add_subparsers(
        required=True, metavar="WHAT"
    )
    make = what.add_parser("make", help="make one beside the running hub, bring it to every target, read it back there")
    make.add_argument("--reason", choices=REASONS, default="manual", help="written into it (default manual)")
    listed = what.add_parser("list", help="those that there are; exit code 1 when the newest of a target is late")
    for parser, run in ((make, _make), (listed, _list)):
        parser.add_argument(
            "--to", type=Path, metavar="FOLDER", help="this folder only, instead of the targets of [backup]"
        )
        with_config(parser).set_defaults(run=run)
    check = what.add_parser("check", help="read one to its end, as a restore would")
    check.add_argument("file", type=Path)
    check.add_argument("--identity", type=Path, required=True, metavar="FILE", help="the key that reads it")
    check.set_defaults(run=_check)
    key = what.add_parser("new-key", help="make a key that reads backups; keep the file away from the hub")
    key.add_argument("file", type=Path)
    key.set_defaults(run=_new_key)
    _restore_command(commands)


def _restore_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    restore = commands.add_parser("restore", help="put a backup back; the hub is stopped, and begins a new life")
    restore.add_argument(
        "file", type=Path, nargs="?", help="the backup; with --from its name there (default the newest)"
    )
    restore.add_argument("--from", dest="source", choices=TARGETS, help="fetch it from this target of [backup]")
    restore.add_argument("--identity", type=Path, required=True, metavar="FILE", help="the key that reads it")
    restore.add_argument("--over", action="store_true", help="move a database that is there aside")
    restore.add_argument(
        "--feed",
        type=Path,
        metavar="FOLDER",
        help="go on with the feed copy in it; without a backup, behind the books here",
    )
    restore.add_argument(
        "--feed-with-holes", action="store_true", help="take what stands before a hole in the feed copy"
    )
    with_config(restore).set_defaults(run=_restore)


def _make(args: argparse.Namespace) -> int:
    from hub.commands.backup import make

    return make(load_config(args.config), args.to, configuration=args.config, reason=args.reason)


def _list(args: argparse.Namespace) -> int:
    from hub.commands.backup import show

    return show(load_config(args.config), args.to)


def _check(args: argparse.Namespace) -> int:
    from hub.commands.backup import check

    return check(args.file, args.identity)


def _new_key(args: argparse.Namespace) -> int:
    from hub.commands.backup import new_key

    return new_key(args.file)


def _restore(args: argparse.Namespace) -> int:
    from hub.backup.restoring import Feed
    from hub.commands.backup import put_back

    feed = Feed(args.feed, is_whole=not args.feed_with_holes) if args.feed else None
    return put_back(
        load_config(args.config), args.file, args.identity, is_over=args.over, source=args.source or "", feed=feed
    )
