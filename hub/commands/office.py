"""What head office says to its cloud that runs: `storehub cloud enrol | tokens | revoke | lives | seal`, and how it is asked.

The cloud is the one of cloud.toml on this machine, or any by --cloud and --cloud-token-file. Nothing is written here: the running
cloud does it, so that all of its workers and lines know at once.
"""

import argparse
import asyncio
import ssl
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sync.cloud.config import Office, load_office
from sync.cloud.talk.asking import ask
from sync.errors import ConfigError


def office_commands(what: "argparse._SubParsersAction[argparse.ArgumentParser]", config_help: str) -> None:
    """Add them below `storehub cloud`."""
    enrol = what.add_parser("enrol", help="a one-time code that lets a store's hub in")
    enrol.add_argument("store")
    enrol.add_argument("--minutes", type=int, default=60, metavar="N", help="how long it is good (default 60)")
    enrol.set_defaults(run=_enrol)
    tokens = what.add_parser("tokens", help="who may send as a store, and who no more")
    tokens.add_argument("store")
    tokens.set_defaults(run=_tokens)
    revoke = what.add_parser("revoke", help="end a store's tokens for ever; who uses one is cut at once")
    revoke.add_argument("store")
    revoke.add_argument("--token", metavar="ID", help="only this one, as `storehub cloud tokens` shows it")
    revoke.add_argument("--why", required=True)
    revoke.set_defaults(run=_revoke)
    lives = what.add_parser("lives", help="every life of a store's hubs, and which were given up")
    lives.add_argument("store")
    lives.set_defaults(run=_lives)
    seal = what.add_parser("seal", help="give up a life whose machine is lost: nothing more of it is taken")
    seal.add_argument("life", help="as `storehub cloud lives` shows it: STORE:LIFE")
    seal.add_argument("--why", required=True)
    seal.add_argument("--heir", metavar="LIFE", help="who takes over what is left of its rights")
    seal.add_argument("--yes", action="store_true", help="do not ask")
    seal.set_defaults(run=_seal)
    for each in (enrol, tokens, revoke, lives, seal):
        office_options(each, config_help)


def office_options(parser: argparse.ArgumentParser, config_help: str) -> None:
    """Add which cloud is asked, and by which token."""
    parser.add_argument("--config", type=Path, default=argparse.SUPPRESS, help=config_help)
    parser.add_argument("--cloud", metavar="URL", help="another cloud than the one of --config")
    parser.add_argument("--cloud-token-file", type=Path, metavar="FILE", help="where an office token of it stands")


def _enrol(args: argparse.Namespace) -> int:
    made = ask_cloud(args, "POST", "/cloud/v1/enrolments", {"store": args.store, "minutes": args.minutes})
    print(made["code"])
    print(
        f"good once, until {_utc(made['ends_ms'])}; in the shop: storehub enrol {made['code']} --url https://…",
        file=sys.stderr,
    )
    return 0


def _tokens(args: argparse.Namespace) -> int:
    for each in ask_cloud(args, "GET", f"/cloud/v1/stores/{quote(args.store, safe='')}/tokens")["items"]:
        ended = f"ended {_utc(each['revoked_ms'])}: {each['why']}" if each.get("revoked_ms") else "good"
        given = _utc(each["made_ms"]) if each.get("made_ms") else "-"
        print(f"{each['id']}  {each['name']:<20}  {given:<20}  {ended}")
    return 0


def _revoke(args: argparse.Namespace) -> int:
    body = {"why": args.why} | ({"token": args.token} if args.token else {})
    ended = ask_cloud(args, "POST", f"/cloud/v1/stores/{quote(args.store, safe='')}/revoke", body)["revoked"]
    print(
        f"{len(ended)} tokens of {args.store} are worth nothing any more: {', '.join(ended) or 'they were not before'}"
    )
    return 0


def _lives(args: argparse.Namespace) -> int:
    for each in ask_cloud(args, "GET", f"/cloud/v1/lives?store={quote(args.store, safe='')}")["items"]:
        rows = sum(each["streams"].values())
        if each.get("sealed_ms"):
            stands = f"sealed {_utc(each['sealed_ms'])}: {each['why']}"
        elif each.get("given_up_ms"):
            stands = f"given up {_utc(each['given_up_ms'])}, rows are still to come: {each['why']}"
        else:
            stands = "writes"
        print(f"{each['rep']}  since {_utc(each['began_ms'])}  {rows:>9} rows  {stands}")
    return 0


def _seal(args: argparse.Namespace) -> int:
    if not args.yes:
        print(f"{args.life} is given up for ever: what it has not sent is lost, should it come back it begins anew.")
        if input("type the life to go on: ").strip() != args.life:
            print("nothing was done", file=sys.stderr)
            return 1
    body = {"rep": args.life, "why": args.why} | ({"heir": args.heir} if args.heir else {})
    sealed = ask_cloud(args, "POST", "/cloud/v1/seals", body)
    print(f"{sealed['rep']} is sealed with {sum(sealed['streams'].values())} rows")
    return 0


def ask_cloud(args: argparse.Namespace, method: str, path: str, body: Any = None) -> dict[str, Any]:
    """Return what the cloud of the options answers; raise ConfigError, RefusedError or AwayError. Any: JSON."""
    office = _office(args)
    answer: dict[str, Any] = asyncio.run(
        ask(office.url, method, path, dict[str, Any], token=office.token, body=body, context=_context(office))
    )
    return answer


def _office(args: argparse.Namespace) -> Office:
    if args.cloud is None:
        return load_office(args.config)
    if args.cloud_token_file is None:
        raise ConfigError("--cloud needs --cloud-token-file: a file with an office token of that cloud")
    try:
        token = args.cloud_token_file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as err:
        raise ConfigError(f"{args.cloud_token_file}: {err}; name a file with an office token") from err
    return Office(args.cloud, None, token)


def _context(office: Office) -> ssl.SSLContext | None:
    """On this machine the certificate's own file is who is trusted: its names are those that stores dial."""
    if office.certificate is None:
        return None
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        context.load_verify_locations(office.certificate)
    except OSError as err:
        raise ConfigError(f"cloud.tls_certificate {office.certificate}: {err}") from err
    return context


def _utc(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
