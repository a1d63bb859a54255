"""`storehub enrol CODE --url URL`: join this shop to the cloud by a one-time code; `--renew` exchanges what it was given."""

import argparse
import asyncio
from pathlib import Path

from hub.commands.options import with_config
from hub.config import Config, load_config
from sync.errors import ConfigError


def enrol_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add it."""
    enrol = commands.add_parser("enrol", help="join this shop to the cloud by a one-time code of head office")
    enrol.add_argument("code", nargs="?", help="as head office got it: storehub cloud enrol STORE")
    enrol.add_argument("--url", help="the cloud's address, https://… (default [cloud] url)")
    enrol.add_argument(
        "--ca", type=Path, metavar="FILE", help="who signed the cloud's certificate, in PEM, if not public"
    )
    enrol.add_argument(
        "--renew", action="store_true", help="no code: another token and certificate for the present ones"
    )
    with_config(enrol).set_defaults(run=_enrol)


def _enrol(args: argparse.Namespace) -> int:
    config = load_config(args.config)
    if args.renew:
        return _renew(config)
    url = args.url or (config.cloud.url if config.cloud else None)
    if not args.code or not url:
        raise ConfigError("enrol: write the code and --url; or --renew, to exchange what this hub has")
    from hub.enrolment.joining import join  # with `cryptography`, which no other command needs

    folder = config.data_dir / "cloud"
    joined = asyncio.run(join(folder, url, args.code, store_id=config.shop.store_id, authority=args.ca))
    print(f"{joined.store} is joined to {joined.cloud}; what the hub shows there is in {folder}")
    if config.cloud is None or config.cloud.url is None:
        print(f'write this into {args.config} and restart the hub:\n\n[cloud]\nurl = "{url}"')
    elif config.cloud.token:
        print(f"[cloud] token in {args.config} still wins: take it out and restart the hub")
    else:
        print("a hub that runs uses it when it dials next")
    return 0


def _renew(config: Config) -> int:
    if config.cloud is None or config.cloud.url is None:
        raise ConfigError("enrol --renew: this hub dials no cloud; join it with a code first")
    if config.cloud.token:
        raise ConfigError("enrol --renew: [cloud] token is written by hand; take it out and enrol by a code")
    from hub.enrolment.joining import renew

    joined = asyncio.run(renew(config.cloud, store_id=config.shop.store_id))
    print(f"{joined.store} has a new token at {joined.cloud}; the former one ends when the hub dials next")
    return 0
