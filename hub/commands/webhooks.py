"""What head office does with webhooks: `storehub cloud webhooks list | add | remove | pause | resume | dead-letters | retry`.

The running cloud does it (docs/handing-on.md); nothing is written here. With --json the cloud's own answer is printed.
"""

import argparse
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from hub.commands.office import ask_cloud, office_options
from sync.errors import ConfigError

PATH = "/cloud/v1/webhooks"
COMMAND = "storehub cloud webhooks"


def webhook_commands(what: "argparse._SubParsersAction[argparse.ArgumentParser]", config_help: str) -> None:
    """Add them below `storehub cloud`."""
    of = what.add_parser("webhooks", help="who of your own systems is told of rows as they arrive")
    those = of.add_subparsers(required=True, metavar="WHAT")
    listed = those.add_parser("list", help="all of them: state, dead letters, address, streams")
    listed.set_defaults(run=_list)
    add = those.add_parser("add", help="tell an address from now on; prints the secret that signs, once")
    add.add_argument("name")
    add.add_argument("url", help="https://…, where it is told")
    add.add_argument("--stream", action="append", required=True, metavar="S", help="as sales; again for each one")
    add.add_argument("--kind", action="append", default=[], metavar="K", help="rows of these kinds only, as return")
    add.add_argument("--from-start", action="store_true", help="all there is, too, not only what comes from now on")
    add.add_argument("--attempts", type=int, metavar="N", help="after which a message is a dead letter (default 15)")
    add.add_argument("--secret-file", type=Path, metavar="FILE", help="a secret of your own: whsec_ and base64")
    add.set_defaults(run=_add)
    remove = those.add_parser("remove", help="forget one, with its place and its dead letters")
    remove.add_argument("--yes", action="store_true", help="do not ask")
    remove.set_defaults(run=_remove)
    pause = those.add_parser("pause", help="let one rest; its place waits")
    pause.set_defaults(run=_switch, state="paused")
    resume = those.add_parser("resume", help="go on where one stood, also after it was disabled")
    resume.set_defaults(run=_switch, state="active")
    dead = those.add_parser("dead-letters", help="what one did not take, oldest first, and why")
    dead.set_defaults(run=_dead)
    retry = those.add_parser("retry", help="tell dead letters once more")
    for each in (remove, pause, resume, dead, retry):
        each.add_argument("name")
    retry.add_argument("ids", nargs="*", metavar="ID", help=f"as `{COMMAND} dead-letters` shows it")
    retry.add_argument("--all", action="store_true", help="all that there are, up to a thousand")
    retry.set_defaults(run=_retry)
    for each in (listed, add, remove, pause, resume, dead, retry):
        each.add_argument("--json", action="store_true", help="for programs")
        office_options(each, config_help)


def _list(args: argparse.Namespace) -> int:
    answer = ask_cloud(args, "GET", PATH)
    if args.json:
        return _print(answer)
    for each in answer["items"]:
        print(f"{each['name']:<20}  {_said(each)}  {each['url']}  {' '.join(each['streams'])}")
        if each["why"]:
            print(f"{'':<20}  {each['why']}")
    return 0


def _add(args: argparse.Namespace) -> int:
    body = {"name": args.name, "url": args.url, "streams": args.stream, "kinds": args.kind}
    body |= {"begin": "start"} if args.from_start else {}
    body |= {"attempts_max": args.attempts} if args.attempts is not None else {}
    body |= {"secret": _secret(args.secret_file)} if args.secret_file else {}
    made = ask_cloud(args, "POST", PATH, body)
    if args.json:
        return _print(made)
    if "secret" in made:
        print(made["secret"])
        print(f"{args.name} is told; the secret above signs, and is shown here and never again", file=sys.stderr)
    elif args.secret_file:
        print(f"{args.name} is told; your secret signs, unless it was known already with another one", file=sys.stderr)
    else:
        print(f"{args.name} is known already; its secret was shown when it was made", file=sys.stderr)
    return 0


def _remove(args: argparse.Namespace) -> int:
    at = _at(args)
    if not args.yes:
        known = ask_cloud(args, "GET", at)
        lost = _letters(known["dead"])
        print(f"{args.name} forgets how far it was told, and {lost}; added again, it begins anew.", file=sys.stderr)
        if input("type the name to go on: ").strip() != args.name:
            print("nothing was done", file=sys.stderr)
            return 1
    answer = ask_cloud(args, "DELETE", at)
    if args.json:
        return _print(answer)
    print(f"{args.name} is forgotten")
    return 0


def _switch(args: argparse.Namespace) -> int:
    now = ask_cloud(args, "POST", f"{_at(args)}/state", {"state": args.state})
    if args.json:
        return _print(now)
    print(f"{args.name} is {_said(now)}")
    return 0


def _dead(args: argparse.Namespace) -> int:
    answer = ask_cloud(args, "GET", f"{_at(args)}/dead")
    if args.json:
        return _print(answer)
    for each in answer["items"]:
        tried = f"{each['attempts']} attempt" + ("s" if each["attempts"] != 1 else "")
        again = "  is told again" if each["retrying"] else ""
        print(f"{each['message_id']}  {each['dead_at']}  {each['stream']} {each['n']}  {tried}: {each['why']}{again}")
    return 0


def _retry(args: argparse.Namespace) -> int:
    if bool(args.ids) == args.all:
        raise ConfigError(
            f"retry: name letters, as `{COMMAND} dead-letters {args.name}` shows them, or write --all; not both"
        )
    at = _at(args)
    ids = args.ids or [each["message_id"] for each in ask_cloud(args, "GET", f"{at}/dead")["items"]]
    answer = ask_cloud(args, "POST", f"{at}/dead/retry", {"ids": ids}) if ids else {"letters": 0}
    known = ask_cloud(args, "GET", at)
    if args.json:
        _print(answer)
    else:
        print(f"{_letters(answer['letters'])} of {args.name} told once more")
    if known["state"] != "active":
        print(f"but {args.name} is {known['state']}: `{COMMAND} resume {args.name}` first", file=sys.stderr)
    if answer["letters"] < len(set(ids)):
        missing = f"{answer['letters']} of {len(set(ids))} are dead letters"
        print(f"{missing}; `{COMMAND} dead-letters {args.name}` shows which there are", file=sys.stderr)
        return 1
    return 0


def _at(args: argparse.Namespace) -> str:
    return f"{PATH}/{quote(args.name, safe='')}"


def _said(of: dict[str, Any]) -> str:  # Any: JSON
    return f"{of['state']:<8}  {_letters(of['dead'], dead='dead ')}"


def _letters(number: int, *, dead: str = "") -> str:
    return f"{number} {dead}letter" + ("s" if number != 1 else "")


def _secret(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as err:
        raise ConfigError(f"{file}: {err}; name a file with whsec_ and base64 of 24 to 64 random bytes") from err


def _print(answer: dict[str, Any]) -> int:  # Any: JSON
    print(msgspec.json.encode(answer).decode())
    return 0
