"""Promise 8: what the web sold is packed as ordered and handed over once, to whoever has the code, also without a line."""

from collections import Counter, defaultdict

from hub.demo.auditor.evidence import Evidence, Json
from hub.demo.auditor.finding import Finding

LIFE = ["created", "allocated", "picking", "ready", "collected"]
DONE = (200, 201)
TAKEN = 201


def judge_orders(evidence: Evidence) -> Finding:
    """Hold each order that head office made against its steps, its parcel, its promises and its code."""
    finding = Finding(8, "misdeliver", "an order is packed as ordered and handed over once")
    made = {entry["sent"]["order_id"]: entry["sent"]["lines"] for entry in evidence.office if entry["ask"] == "order"}
    facts: dict[str, list[Json]] = defaultdict(list)
    for each in evidence.feed["orders"]:
        facts[each.row["order_id"]].append(each.row)
    for order_id in sorted({*made, *facts}):
        finding.count("orders")
        if [fact["lines"] for fact in facts[order_id]] != [made.get(order_id)]:
            finding.blame(
                f"order {order_id}: head office ordered {made.get(order_id)}, the cloud has {facts[order_id]}"
            )
    for order_id, lines in made.items():
        wanted = {line["sku"]: line["qty"] for line in lines}
        asked = [entry for entry in evidence.tills if entry.get("order_id") == order_id]
        _judge_steps(evidence, order_id, asked, finding)
        _judge_parcel(evidence, order_id, asked, wanted, finding)
        _judge_promises(evidence, order_id, finding)
        _judge_code(evidence, order_id, asked, finding)
    needs = (
        "orders",
        "steps",
        "promises",
        "pieces scanned without a line",
        "wrong scans refused",
        "wrong codes refused",
    )
    finding.need(*needs, "orders handed over without a line")
    return finding


def handed_over(evidence: Evidence) -> Counter[str]:
    """Return the pieces that left the shop by orders which the packing table was told were collected."""
    ordered = {
        entry["sent"]["order_id"]: entry["sent"]["lines"] for entry in evidence.office if entry["ask"] == "order"
    }
    closed = {entry["order_id"] for entry in _steps(evidence.tills) if entry["sent"]["state"] == "collected"}
    gone: Counter[str] = Counter()
    for line in (line for order_id in closed for line in ordered.get(order_id, ())):
        gone[line["sku"]] += line["qty"]
    return gone


def _judge_steps(evidence: Evidence, order_id: str, asked: list[Json], finding: Finding) -> None:
    """The cloud has the order's whole life once, and each step that the packing table was told is taken."""
    rows = [each.row for each in evidence.feed["order_steps"] if each.row["step"]["order_id"] == order_id]
    life = sorted((row["step"]["n"], row["step"]["state"]) for row in rows)
    finding.count("steps", len(life))
    if life != list(enumerate(LIFE, 1)):
        finding.blame(f"order {order_id}: its steps are {life}")
    known = {row.get("told_id") for row in rows}
    for entry in _steps(asked):
        if entry["sent"]["step_id"] not in known:
            finding.blame(f"order {order_id}: {entry['sent']['state']} was taken and is not in the cloud")
        if entry["sent"]["state"] == "collected" and _is_without_a_line(evidence, entry):
            finding.count("orders handed over without a line")


def _judge_parcel(evidence: Evidence, order_id: str, asked: list[Json], wanted: Json, finding: Finding) -> None:
    """What was scanned right is what was ordered; what belongs to nothing was refused."""
    parcel: Counter[str] = Counter()
    for entry in asked:
        if entry["ask"] != "scan":
            continue
        if "wanted" not in entry and entry["status"] in DONE:
            parcel[entry["sku"]] += 1
            finding.count("pieces scanned without a line", _is_without_a_line(evidence, entry))
        elif "wanted" in entry and entry["status"] in DONE:
            finding.blame(f"order {order_id}: a wrong article was let into the parcel")
        elif "wanted" in entry:
            finding.count("wrong scans refused")
    if parcel != wanted:
        finding.blame(f"order {order_id}: {wanted} were ordered, {dict(parcel)} are in the parcel")


def _judge_promises(evidence: Evidence, order_id: str, finding: Finding) -> None:
    """Each promise ended once, as picked; that the goods have left with it is promise 4's."""
    rows = [each.row for each in evidence.feed["promises"]]
    made = [row["promise_id"] for row in rows if row["kind"] == "promise" and row["order_id"] == order_id]
    for promise_id in made:
        endings = [row["ending"] for row in rows if row["kind"] == "promise_end" and row["promise_id"] == promise_id]
        finding.count("promises")
        if endings != ["picked"]:
            finding.blame(f"order {order_id}: a promise ended as {endings}")


def _judge_code(evidence: Evidence, order_id: str, asked: list[Json], finding: Finding) -> None:
    """The goods went to the code that head office was told, once, and to no other."""
    codes = {entry["code"] for entry in evidence.office if entry["ask"] == "code" and entry["order_id"] == order_id}
    handed = [entry for entry in asked if entry["ask"] == "step" and entry["sent"]["state"] == "collected"]
    for entry in handed:
        is_right, is_done = entry["sent"]["code"] in codes, entry["status"] in DONE
        if is_done and not is_right:
            finding.blame(f"order {order_id}: handed over to a code that head office was not told")
        elif not is_done and not is_right:
            finding.count("wrong codes refused")
    if sum(entry["status"] == TAKEN for entry in handed) > 1:
        finding.blame(f"order {order_id}: handed over twice")


def _steps(entries: list[Json]) -> list[Json]:
    return [entry for entry in entries if entry["ask"] == "step" and entry["status"] in DONE]


def _is_without_a_line(evidence: Evidence, entry: Json) -> bool:
    return any(begin <= entry["at"] <= end for begin, end in evidence.spans("line_down", "line_up"))
