"""One sale's way through the logs of hub and cloud: asked, committed, on paper, told, sent, taken by the cloud, safe.

    line of the log        what it says of the sale
    sale recorded          committed: receipt number, dot (life and seq), the event that told the tablets, its printer
    sale answered again    a till repeated it; it is counted once
    request refused        it was not taken, or its second content was not
    receipt ended          what became of the paper
    sales are sent         a range of seqs of that life, to the cloud or the store's other hub
    rows received          at the cloud: that range is durable there
    sales are safe         this hub has heard so

Pure: lines in, steps out. Not here: where lines come from (hub.commands.follow), what the books say (`storehub explain`).
"""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from msgspec import Struct


class Line(dict[str, Any]):
    """A log line. Any: it has the fields that were given; another version may have given fewer, which read as ""."""

    def __missing__(self, _field: str) -> str:
        return ""


class Step(Struct, frozen=True):
    """One thing that happened to the sale."""

    at: str
    where: str
    what: str
    said: str


class Followed(Struct, frozen=True):
    """The steps in their order, and what has not happened yet, each with where to look."""

    steps: list[Step]
    missing: list[str]


def read_lines(raw: Iterable[str]) -> list[Line]:
    """Return the JSON lines of a log, oldest first; what is no line of ours is left out."""
    lines = []
    for each in raw:
        begins = each.find("{")
        try:
            line = msgspec.json.decode(each[begins:]) if begins >= 0 else None
        except msgspec.DecodeError:
            continue
        if isinstance(line, dict) and "at" in line and "message" in line:
            lines.append(Line(line))
    return sorted(lines, key=lambda line: str(line["at"]))


def follow(lines: Iterable[Line], key: str) -> Followed:
    """Follow a sale by its id or its receipt number."""
    lines = list(lines)
    recorded = next((line for line in lines if _is(line, "sale recorded", key)), None)
    sale = str(recorded["sale"]) if recorded else key
    found = [
        step for line in lines if (step := _of_sale(line, sale) or (_of_range(line, recorded) if recorded else None))
    ]
    steps = list(_committed_first(found))
    return Followed(steps, list(_missing(recorded, steps)) if steps else [])


def _committed_first(steps: list[Step]) -> Iterator[Step]:
    """The line reads a row as soon as it is committed, which may be before the loop hears of it and the log says so."""
    early = {"sent", "received", "safe"} if any(step.what == "committed" for step in steps) else set()
    waiting: list[Step] = []
    for step in steps:
        if step.what in early:
            waiting.append(step)
            continue
        yield step
        if step.what == "committed":
            yield from waiting
            early, waiting = set(), []


def _is(line: Line, message: str, key: str) -> bool:
    return line["message"] == message and key in (line.get("sale"), line.get("receipt_no"))


def _of_sale(line: Line, sale: str) -> Step | None:
    """Return what a line says that names the sale."""
    if line.get("sale") != sale and sale not in line.get("sales", ()):
        return None
    match line["message"]:
        case "sale recorded":
            to = f", to be printed by {line['printer']}" if "printer" in line else ""
            said = f"receipt {line['receipt_no']}, till {line['till']}, dot {line['rep']}/sales/{line['seq']}{to}"
            return _step(line, "committed", f"{said}, event {line['event']}")
        case "sale answered again":
            return _step(line, "repeated", f"by till {line['till']}; the same answer, counted once")
        case "request refused":
            return _step(line, "refused", f"{line['status']} {line['code']} at {line['path']}, till {line['till']}")
        case "receipt ended":
            why = f": {line['reason']}" if line.get("reason") else ""
            return _step(
                line, str(line["state"]), f"by {line['printer']}{why}, {line['took_ms']} ms after it was asked for"
            )
        case "rows received":
            return _step(line, "received", f"the cloud holds {line['rep']}/sales/{line['upto']}")
    return None


def _of_range(line: Line, recorded: Line) -> Step | None:
    """Return what a line says that names a range of seqs with the sale in it."""
    if line["rep"] != recorded["rep"] or line["stream"] not in ("", "sales"):
        return None
    after, seq, upto = line["after"], recorded["seq"], line["upto"]
    if not (isinstance(after, int) and isinstance(seq, int) and isinstance(upto, int) and after < seq <= upto):
        return None
    held = f"{line['rep']}/sales/{upto}"
    match line["message"]:
        case "sales are sent":
            return _step(line, "sent", f"with all up to {held}")
        case "rows received":
            return _step(line, "received", f"the cloud holds {held}")
        case "sales are safe":
            return _step(line, "safe", f"the {line['peer']} has said that it holds {held}")
    return None


def _step(line: Line, what: str, said: str) -> Step:
    return Step(str(line["at"]), "cloud" if str(line["logger"]).startswith("sync.cloud") else "hub", what, said)


def _missing(recorded: Line | None, steps: list[Step]) -> Iterator[str]:
    done = {step.what for step in steps}
    if recorded is None:
        yield "it was never committed here, or before these lines begin: `storehub explain` asks the books"
        return
    if "printer" in recorded and not done & {"printed", "failed", "unknown"}:
        yield f"its paper has not come out: `storehub devices list` says how {recorded['printer']} is"
    if "unknown" in done or "failed" in done:
        yield "look at the paper; what is missing is retried in the console, under Prints"
    if "sent" not in done and "safe" not in done:
        yield "it was not sent: there is no cloud, or no line to it; `storehub doctor` names the reason"
    elif "safe" not in done:
        yield "it was sent and nobody has said yet that it arrived: it is sent again with the next contact"
