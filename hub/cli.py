"""The command line, `storehub COMMAND`; `storehub --help` lists them. Every error is one sentence and the remedy.

Exit codes: 0 done, 1 could not, 2 wrong usage, 78 wrong configuration (systemd does not restart on it).
"""

import argparse
import asyncio
import faulthandler
import os
import sys
import time
from pathlib import Path
from typing import get_args

from hub.commands.backup_options import backup_commands
from hub.commands.cloud import cloud_command
from hub.commands.enrol import enrol_command
from hub.commands.fleet import fleet_command
from hub.commands.operating import operating_commands
from hub.commands.options import (
    DEFAULT_CONFIG,
    demo_options,
    follow_options,
    import_options,
    standby_options,
    with_config,
)
from hub.commands.segment_options import segment_command
from hub.config import load_config
from hub.monitoring.version import installed_version
from hub.service.notify import Manager
from hub.store.staff.tills import Scope
from sync.errors import ConfigError, StartError, SyncError
from sync.retail.staff.cashiers import Role

EXIT_CONFIG = 78


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    args = _parser().parse_args(argv)
    try:
        code: int = args.run(args)
    except ConfigError as err:
        print(f"storehub: {err}", file=sys.stderr)
        return EXIT_CONFIG
    except SyncError as err:
        print(f"storehub: {err}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return code


class _ShowVersion(argparse.Action):
    """`--version`."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        parser.exit(message=f"store-hub {installed_version()}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="storehub", description="The one machine in a shop that everything talks to.")
    parser.add_argument("--version", action=_ShowVersion, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="run the hub in the foreground")
    with_config(run).set_defaults(run=_run)

    cloud_command(commands).set_defaults(run=_cloud)

    segment_command(commands)

    pair = commands.add_parser("pair", help="show a one-time pairing code of a running hub")
    pair.add_argument("--scope", default="till", choices=get_args(Scope))
    with_config(pair).set_defaults(run=_pair)

    _tablet_commands(commands)
    _upkeep_commands(commands)

    imports = commands.add_parser("import", help="import a file").add_subparsers(required=True, metavar="WHAT")
    products = imports.add_parser("products", help="products, prices and opening stock from CSV or JSON")
    import_options(with_config(products)).set_defaults(run=_import)

    audit = commands.add_parser("audit", help="recompute the books from the facts and name what differs")
    audit.add_argument("--repair", action="store_true", help="correct what is derived; facts are never changed")
    audit.add_argument("--peer", action="store_true", help="compare with the cloud's rows as well")
    with_config(audit).set_defaults(run=_audit)

    explain = commands.add_parser("explain", help="who wrote what about a key, which write stands and why")
    explain.add_argument(
        "key", help="a sale, receipt, return, movement, SKU, promise, member, or a dot: REP/STREAM/SEQ"
    )
    explain.add_argument("--cloud", type=Path, metavar="FILE", help="ask the cloud of this cloud.toml instead")
    with_config(explain).set_defaults(run=_explain)

    mqtt = commands.add_parser("mqtt", help="an MQTT broker beside the hub").add_subparsers(
        required=True, metavar="WHAT"
    )
    accounts = mqtt.add_parser("accounts", help="write mosquitto's password file and ACL from who is paired")
    accounts.add_argument("--mosquitto", type=Path, required=True, metavar="DIR", help="the folder for both files")
    accounts.add_argument(
        "--reader", action="append", default=[], metavar="NAME", help="an account that only hears, as Home Assistant"
    )
    accounts.add_argument("--certificate", action="store_true", help="server.pem as well: the hub's own, with its key")
    with_config(accounts).set_defaults(run=_mqtt_accounts)

    cashier = commands.add_parser("cashier", help="who may sign in at the tills").add_subparsers(
        required=True, metavar="WHAT"
    )
    add = cashier.add_parser("add", help="enrol a cashier; the PIN is asked for, or read from standard input")
    add.add_argument("--id", help="letters, digits, . _ : - (default c and the number)")
    add.add_argument("--number", required=True, help="what is typed at a till: up to eight digits")
    add.add_argument("--name", required=True)
    add.add_argument("--role", default="cashier", choices=get_args(Role))
    with_config(add).set_defaults(run=_cashier_add)
    unlock = cashier.add_parser("unlock", help="let a cashier guess again after too many wrong PINs")
    unlock.add_argument("id")
    unlock.add_argument("--reason", required=True)
    with_config(unlock).set_defaults(run=_cashier_unlock)

    demo = commands.add_parser("demo", help="a store in a box: cloud, hub, simulated devices, simulated shoppers")
    demo_options(demo).set_defaults(run=_demo)
    schema = commands.add_parser("schema", help="for developers: what the declared entities want of the database")
    schema.add_argument(
        "what", choices=("diff", "reference"), help="write the next migration, or docs/entities.md and docs/devices.md"
    )
    schema.add_argument("--name", default="entities", help="what the migration is about: 0007_NAME.sql")
    schema.set_defaults(run=_schema)
    return parser


def _tablet_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    clients = commands.add_parser("tills", help="clients that were paired").add_subparsers(
        required=True, metavar="WHAT"
    )
    with_config(clients.add_parser("list", help="who was ever paired, and who was shut out")).set_defaults(
        run=_tills_list
    )
    revoke = clients.add_parser("revoke", help="make the token of a tablet that was lost worth nothing, at once")
    revoke.add_argument("id", help="as `storehub tills list` shows it")
    with_config(revoke).set_defaults(run=_tills_revoke)

    probe = commands.add_parser("probe", help="print configuration for the devices that are attached")
    probe.add_argument(
        "--ask", action="store_true", help="open printers and serial ports that no hub uses, and ask them"
    )
    with_config(probe).set_defaults(run=_probe)

    capture = commands.add_parser("capture", help="a masked trace of a device's wire, which is a test when it is moved")
    capture.add_argument("id", help="the device, as lane1-scanner")
    capture.add_argument("--seconds", type=float, default=60.0, metavar="S", help="how long (default 60)")
    capture.add_argument("--out", type=Path, metavar="FILE", help="where to (default ID.json)")
    with_config(capture).set_defaults(run=_capture)

    devices = commands.add_parser("devices", help="what is attached, and a device that stands in for a broken one")
    what = devices.add_subparsers(required=True, metavar="WHAT")
    with_config(
        what.add_parser("list", help="each device and how it is; what is attached and whose it is")
    ).set_defaults(run=_devices_list)
    over = what.add_parser("take-over", help="let an attached device stand in for a configured one")
    over.add_argument("id", help="the configured device, as lane1-scanner")
    over.add_argument("node", help="what stands in, as `storehub devices list` shows it")
    with_config(over).set_defaults(run=_devices_take_over)
    back = what.add_parser("put-back", help="undo a take-over")
    back.add_argument("id")
    with_config(back).set_defaults(run=_devices_put_back)

    tls = commands.add_parser("tls", help="the store's CA and this hub's certificate").add_subparsers(
        required=True, metavar="WHAT"
    )
    tls_show = tls.add_parser("show", help="whose they are, how long they are good, the fingerprint")
    tls_show.add_argument("--pem", action="store_true", help="the CA's certificate itself, as curl --cacert takes it")
    with_config(tls_show).set_defaults(run=_tls_show)
    with_config(tls.add_parser("renew", help="make this hub's certificate anew, now")).set_defaults(run=_tls_renew)


def _upkeep_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    operating_commands(commands)
    enrol_command(commands)
    fleet_command(commands)
    doctor = commands.add_parser(
        "doctor", help="what is wrong with this machine, its books and its line, and the remedy"
    )
    doctor.add_argument("--whole", action="store_true", help="read every page of the database")
    doctor.add_argument("--json", action="store_true", help="for programs: a list of {about, level, said, remedy}")
    with_config(doctor).set_defaults(run=_doctor)

    backup_commands(commands)
    follow = commands.add_parser("follow", help="one sale's way through the log: committed, on paper, sent, safe")
    follow_options(follow).set_defaults(run=_follow)
    standby = commands.add_parser("standby", help="the store's other hub, and at which one tills are to be")
    standby_options(standby).set_defaults(run=_standby)


def _run(args: argparse.Namespace) -> int:
    from hub.app import run
    from hub.log import start_logging
    from hub.service.life import Life

    config = load_config(args.config)
    start_logging()
    faulthandler.enable()  # whoever ends a hub that hangs (SIGABRT, the watchdog) reads in the log where each thread was
    run(config, Life(_manager()))
    return 0


def _cloud(args: argparse.Namespace) -> int:
    from hub.log import start_logging
    from sync.cloud.config import load_cloud_config
    from sync.cloud.main import run

    config = load_cloud_config(args.config)
    start_logging()
    run(config, lambda _port: _manager().tell("READY=1"), clock_ns=time.time_ns)
    return 0


def _pair(args: argparse.Namespace) -> int:
    from hub.api.staff.pairing import CodeAnswer
    from hub.client import HubClient
    from hub.commands.tls import tell_code

    config = load_config(args.config)
    if not config.is_running():
        raise StartError(f"no hub runs on {config.data_dir}; start it with `storehub run`")

    async def ask() -> CodeAnswer:
        async with HubClient("http://hub", unix_socket=config.control_socket) as client:
            return await client.pairing(args.scope)

    tell_code(asyncio.run(ask()))
    return 0


def _tills_list(args: argparse.Namespace) -> int:
    from hub.commands.tills import list_tills

    return list_tills(load_config(args.config))


def _tills_revoke(args: argparse.Namespace) -> int:
    from hub.commands.tills import revoke_till

    return revoke_till(args.id, load_config(args.config))


def _probe(args: argparse.Namespace) -> int:
    from hub.commands.probe import probe

    is_named = args.config != DEFAULT_CONFIG or DEFAULT_CONFIG.is_file()
    return probe(args.config if is_named else None, asks=args.ask)


def _capture(args: argparse.Namespace) -> int:
    from hub.commands.capture import capture

    file = args.out or Path(f"{args.id}.json")
    return capture(args.id, load_config(args.config), seconds=args.seconds, file=file)


def _devices_list(args: argparse.Namespace) -> int:
    from hub.commands.devices import list_devices

    return list_devices(load_config(args.config))


def _devices_take_over(args: argparse.Namespace) -> int:
    from hub.commands.devices import take_over

    return take_over(args.id, args.node, load_config(args.config))


def _devices_put_back(args: argparse.Namespace) -> int:
    from hub.commands.devices import put_back

    return put_back(args.id, load_config(args.config))


def _tls_show(args: argparse.Namespace) -> int:
    from hub.commands.tls import show_tls

    return show_tls(load_config(args.config), as_pem=args.pem)


def _tls_renew(args: argparse.Namespace) -> int:
    from hub.commands.tls import renew_tls

    return renew_tls(load_config(args.config))


def _doctor(args: argparse.Namespace) -> int:
    from hub.commands.doctor import run_doctor

    return run_doctor(load_config(args.config), is_whole=args.whole, as_json=args.json)


def _mqtt_accounts(args: argparse.Namespace) -> int:
    from hub.commands.mqtt import write_accounts

    config = load_config(args.config)
    return write_accounts(config, args.mosquitto, readers=args.reader, has_certificate=args.certificate)


def _cashier_add(args: argparse.Namespace) -> int:
    from hub.commands.cashier import add_cashier

    return add_cashier(args, load_config(args.config))


def _cashier_unlock(args: argparse.Namespace) -> int:
    from hub.commands.cashier import unlock_cashier

    return unlock_cashier(args, load_config(args.config))


def _import(args: argparse.Namespace) -> int:
    from hub.importing.command import import_products

    return import_products(args, load_config)


def _audit(args: argparse.Namespace) -> int:
    from hub.commands.audit import run_audit

    return run_audit(args, load_config(args.config))


def _explain(args: argparse.Namespace) -> int:
    from hub.commands.explain import explain_at_cloud, explain_here

    return explain_at_cloud(args.key, args.cloud) if args.cloud else explain_here(args.key, load_config(args.config))


def _follow(args: argparse.Namespace) -> int:
    from hub.commands.follow import follow_sale

    return follow_sale(args.key, logs=args.log, since=args.since)


def _standby(args: argparse.Namespace) -> int:
    from hub.commands.standby import run_standby

    return run_standby(args.what, load_config(args.config), as_json=getattr(args, "json", False))


def _demo(args: argparse.Namespace) -> int:
    from hub.demo.store import run_demo

    return run_demo(args)


def _schema(args: argparse.Namespace) -> int:
    from hub.commands.schema import DEVICES_PAGE, FOLDER, PAGE, write_devices, write_difference, write_reference

    return (
        write_difference(FOLDER, args.name)
        if args.what == "diff"
        else write_reference(PAGE) + write_devices(DEVICES_PAGE)
    )


def _manager() -> Manager:
    return Manager.of(os.environ, pid=os.getpid())
