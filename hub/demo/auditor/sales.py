"""Promises 1, 2 and 7: nothing acknowledged is lost, nothing is counted twice, the line refuses nobody."""

import json
from collections import Counter, defaultdict
from datetime import datetime
from typing import Any

from hub.demo.auditor.evidence import Evidence, FeedRow, Json
from hub.demo.auditor.finding import Finding

TOLD = ("receipt_no", "business_date", "committed_at", "refund", "currency")
DONE = (200, 201)
SLOW_MS = 5_000  # an answer that waits for the line, or for ever, waits longer than this


def judge_lost(evidence: Evidence) -> Finding:
    """Hold every answer of 200 or 201 against the feed: there, the same to the cent, at the dot that was told."""
    finding = Finding(1, "lose", "nothing acknowledged is lost")
    for ask, stream, key in (("sale", "sales", "sale_id"), ("return", "returns", "return_id")):
        feed = {_content(each.row)[key]: each for each in evidence.feed[stream]}
        told: dict[str, Json] = {}
        for entry in answered(evidence, ask):
            name, answer = entry["sent"][key], entry["answer"]
            if told.setdefault(name, answer) != answer:
                finding.blame(f"{ask} {name} was answered twice, not with the same words")
            if name not in feed:
                finding.blame(f"{ask} {name} was answered {entry['status']} and is not in the cloud")
                continue
            for difference in _differences(entry["sent"], answer, feed[name]):
                finding.blame(f"{ask} {name}: {difference}")
        finding.count(f"{ask}s", len(told))
    _judge_refunds(evidence, finding)
    _judge_safe(evidence, finding)
    finding.need("sales")
    return finding


def judge_twice(evidence: Evidence) -> Finding:
    """Hold every row of the feed against what the tills sent: each once, none that nobody made."""
    finding = Finding(2, "double", "nothing is counted twice")
    for ask, stream, key in (("sale", "sales", "sale_id"), ("return", "returns", "return_id")):
        sent = {entry["sent"][key]: entry["sent"] for entry in evidence.asked(ask)}
        seen: set[str] = set()
        alike: dict[str, str] = {}
        for each in evidence.feed[stream]:
            content = _content(each.row)
            name = content[key]
            if name in seen:
                finding.blame(f"{ask} {name} is in the feed twice")
            seen.add(name)
            other = alike.setdefault(_likeness(content, key), name)
            if other != name:
                finding.blame(f"{ask} {name} is {other} again: same till, moment and goods under another id")
            elif name not in sent:
                finding.blame(f"{ask} {name} is in the feed and no till made it")
        finding.count(f"{ask}s", len(seen))
    repeats = sum(1 for entry in evidence.asked("sale") if entry["tries"] > 1)
    finding.count("repeats of the tills", repeats)
    duplicates = [each for store in evidence.stores.get("items", []) for each in store.get("duplicates", {}).items()]
    for stream, number in duplicates:
        finding.blame(f"the cloud was sent {number} {stream} under ids that it had")
    finding.need("sales")
    return finding


def judge_served(evidence: Evidence) -> Finding:
    """Hold the tills' troubles against the script: only the kill of the hub may be felt at a till, and while it lasts.

    Every request is answered, and in time: what it took beside the kill is at most SLOW_MS, whatever was asked.
    """
    finding = Finding(7, "refuse", "the shop sells when the line is down")
    kills, outages = evidence.spans("hub_killed", "hub_ready"), evidence.spans("line_down", "line_up")
    for entry in evidence.tills:
        is_in_kill = any(entry["at"] <= end and entry["until"] >= begin for begin, end in kills)
        is_good = entry["status"] is not None and (
            str(entry["status"]) == entry["wanted"] if "wanted" in entry else entry["status"] < 400
        )
        if not is_good and not is_in_kill:
            finding.blame(f"{entry['till']} was told {entry['status'] or entry['error']} at {entry['path']}")
        if entry["ask"] == "sale" and is_good and any(begin <= entry["at"] <= end for begin, end in outages):
            finding.count("sales without a line")
        in_kill_ms = sum(max(0, min(entry["until"], end) - max(entry["at"], begin)) for begin, end in kills)
        took_ms = entry["until"] - entry["at"] - in_kill_ms
        if is_good and took_ms > SLOW_MS:
            finding.blame(f"{entry['till']} waited {took_ms} ms for an answer at {entry['path']}")
    finding.count("requests", len(evidence.tills))
    finding.count("outages", len(outages))
    finding.count("kills of the hub", len(kills))
    finding.need("sales without a line", "outages", "kills of the hub")
    return finding


def answered(evidence: Evidence, ask: str) -> list[Json]:
    """Return what the tills were told was done."""
    return [entry for entry in evidence.asked(ask) if entry["status"] in DONE]


def _judge_refunds(evidence: Evidence, finding: Finding) -> None:
    """What is due for all pieces back so far, less what was due before: by its own sums, in the feed's order."""
    sold = {
        sale["sale_id"]: {line["line"]: line for line in sale["lines"]} for sale in map(_sent, evidence.asked("sale"))
    }
    back: dict[tuple[str, int], int] = defaultdict(int)
    for each in evidence.feed["returns"]:
        content, due = each.row["return"], 0
        for part in content["lines"]:
            line = sold.get(content["sale_id"], {}).get(part["line"])
            if line is None:
                continue
            key = (content["sale_id"], part["line"])
            before = _pro_rata(line, back[key])
            back[key] += part["qty"]
            due += _pro_rata(line, back[key]) - before
        if due != each.row["refund"]:
            finding.blame(f"return {content['return_id']}: {each.row['refund']} was refunded, {due} was due")


def _sent(entry: Json) -> Json:
    sent: Json = entry["sent"]
    return sent


def _pro_rata(line: Json, qty: int) -> int:
    whole: int = line["qty"]
    return (2 * amount(line) * qty + whole) // (2 * whole)


def amount(line: Json) -> int:
    """Return a line's amount in minor units: price by quantity by `per`, halves up, less the discount."""
    per: int = line.get("per", 1)
    gross: int = (2 * line["unit_price"] * line["qty"] + per) // (2 * per)
    less: int = line.get("discount", 0)
    return gross - less


def _judge_safe(evidence: Evidence, finding: Finding) -> None:
    """`safe` may be said only of what the cloud has, `upto` of as many as it has; in the end it must be said of everything."""
    feed = {each.row["sale"]["sale_id"] for each in evidence.feed["sales"]}
    held = Counter(each.rep for each in evidence.feed["sales"])
    last: dict[str, bool] = {}
    for entry in evidence.asked("status"):
        if entry["status"] not in DONE:
            continue
        told = entry["answer"]["safe"]
        if told["upto"] > held[told["rep"]]:
            finding.blame(
                f"{entry['till']} was told that {told['upto']} sales are safe, the cloud has {held[told['rep']]}"
            )
        for status in entry["answer"]["sales"]:
            last[status["sale_id"]] = status["safe"]
            finding.count("times told safe", status["safe"])
            if status["safe"] and status["sale_id"] not in feed:
                finding.blame(f"sale {status['sale_id']} was told safe and is not in the cloud")
    for entry in evidence.office:
        if entry["ask"] == "safe_sale":
            finding.count("asked of the cloud at that moment")
            if entry["status"] != 200:
                finding.blame(f"sale {entry['sale_id']} was told safe; the cloud answered {entry['status']} right then")
    never = [name for name, is_safe in last.items() if not is_safe and name in feed]
    if never:
        finding.blame(f"{len(never)} sales were not told safe in the end, {never[0]} first")


def _content(row: Json) -> Json:
    content: Json = row.get("sale") or row["return"]
    return content


def _differences(sent: Json, answer: Json, each: FeedRow) -> list[str]:
    found = _content(each.row)
    wrong = [
        f"{name} was {sent[name]!r}, the cloud has {found.get(name)!r}"
        for name in sent
        if name not in ("print", "lines") and _norm(name, sent[name]) != _norm(name, found.get(name))
    ]
    lines = {line["line"]: line for line in found["lines"]}
    if len(lines) != len(sent["lines"]):
        wrong.append(f"{len(sent['lines'])} lines were sent, the cloud has {len(lines)}")
    for line in sent["lines"]:
        other = lines.get(line["line"], {})
        wrong += [
            f"line {line['line']}: {name} was {line[name]!r}, the cloud has {other.get(name)!r}"
            for name in line
            if _norm(name, line[name]) != _norm(name, other.get(name))
        ]
    wrong += [
        f"{name} was told as {answer[name]!r}, the cloud has {each.row.get(name)!r}"
        for name in TOLD
        if name in answer and name in each.row and answer[name] != each.row[name]
    ]
    dot = answer["dot"]
    if (dot["rep"], dot["seq"]) != (each.rep, each.seq):
        wrong.append(f"its dot was told as {dot['rep']} {dot['seq']}, it stands at {each.rep} {each.seq}")
    return wrong


_DEFAULTS: Json = {"unit": "each", "per": 1, "discount": 0, "rounding": 0, "offline": False}


def _norm(name: str, value: Any) -> Any:  # Any: JSON
    if value is None:
        return _DEFAULTS.get(name)
    return datetime.fromisoformat(value).timestamp() if name.endswith("_at") else value


def _likeness(content: Json, key: str) -> str:
    """Return all of a sale but its id: no till makes two that agree in it."""
    rest: dict[str, Any] = defaultdict(lambda: None, content)
    rest.pop(key)
    return json.dumps(rest, sort_keys=True, ensure_ascii=False)
