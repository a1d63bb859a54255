"""The command line of `storehub segment`. Not here: what it does (hub.commands.segment)."""

import argparse
from pathlib import Path


def segment_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add it."""
    parser = commands.add_parser("segment", help="preview a segment of members at the cloud end, declare it")
    parser.add_argument("file", type=Path, metavar="FILE.toml", help="segment, name, filter, tag (docs/people.md)")
    parser.add_argument("--url", default="http://127.0.0.1:8081", help="the cloud end (default %(default)s)")
    parser.add_argument("--token-file", type=Path, required=True, metavar="FILE", help="holds an office token")
    parser.add_argument("--put", action="store_true", help="declare it, and bring who is in it up to date")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from hub.commands.segment import segment

    return segment(args.file, url=args.url, token_file=args.token_file, is_put=args.put)
