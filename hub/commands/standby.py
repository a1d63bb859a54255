"""`storehub standby status | promote | hand-back`: the store's two hubs, and at which one tills are to be.

Nothing is switched on or off: both sell whoever comes. What is said here both hubs tell the tills (docs/operating/standby.md).
"""

from collections.abc import Iterator

import msgspec

from hub.commands.asking import ask
from hub.config import Config
from hub.machine_client import MachineClient
from hub.standby.hubs import HubView, StandbyReport


def run_standby(what: str, config: Config, *, as_json: bool = False) -> int:
    """Do one of them; return 1 where something stands against going over."""

    async def question(client: MachineClient) -> StandbyReport:
        return await (client.standby() if what == "status" else client.prefer_hub(here=what == "promote"))

    report = ask(config, question)
    against = list(obstacles(report))
    if as_json:
        print(msgspec.json.encode(report).decode())
    elif what == "status":
        _show(report, against)
    else:
        _show_order(what, report)
    return 1 if what == "status" and against else 0


def obstacles(report: StandbyReport) -> Iterator[tuple[str, str]]:
    """Yield what stands against tills going over to the other hub, and the remedy."""
    here, *_ = [hub for hub in report.hubs.items if hub.is_here]
    others = [hub for hub in report.hubs.items if not hub.is_here]
    if not others:
        yield "no other hub of this store was ever heard of", "join one: docs/operating/standby.md"
    for hub in others:
        if not hub.is_up:
            yield f"{hub.rep} does not answer", "look at that machine, its network and its log"
        if hub.ca_sha256 != here.ca_sha256:
            yield "the two have different CAs", "move tls/authority.pem away where tablets do not trust it, and restart"
    if report.differs:
        named = ", ".join(f"[{name}]" for name in report.differs)
        yield f"the configurations differ in {named}", "write the same into hub.toml of both, and restart"
    if report.clashes:
        yield f"{', '.join(report.clashes)} are names of different clients at each", "revoke and pair them again at one"
    for count, said in ((report.behind_here, "are not here yet"), (report.behind_there, "are not there yet")):
        if count:
            yield f"{count} sales {said}", "wait; while the line between the hubs is down they stay where they are"


def _show(report: StandbyReport, against: list[tuple[str, str]]) -> None:
    for hub in report.hubs.items:
        print("\t".join(_words(hub)))
    print(f"preferred\t{'the hub that is followed' if report.preferred == 'followed' else 'the hub that follows'}")
    for said, remedy in against:
        print(f"{said}\n\t→ {remedy}")
    if not against:
        print("either hub can have all tills")


def _show_order(what: str, report: StandbyReport) -> None:
    where, undo = ("this hub", "hand-back") if what == "promote" else ("the other hub", "promote")
    print(f"tills are to be at {where}; to undo: storehub standby {undo}")
    first = report.hubs.items[0]
    if first.is_here is not (what == "promote"):
        print("it cannot have them yet: it is down, or has not caught up; they are sent there as soon as it can")
    elif not all(hub.is_up for hub in report.hubs.items):
        print("the other hub does not answer: it is told when it is back")
    if what == "promote" and report.behind_here:
        print(f"{report.behind_here} sales of the other hub are not here yet")


def _words(hub: HubView) -> list[str]:
    stands = "this hub" if hub.is_here else "up" if hub.is_up else "down"
    return [hub.role, stands, "tills are to be here" if hub.is_first else "waits", hub.rep, *hub.urls]
