"""Promise 4: the web cannot sell what is not there. Adds the shelf up from the goods that went over the counter."""

from collections import defaultdict

from hub.demo.auditor.evidence import Evidence, Json
from hub.demo.auditor.finding import Finding
from hub.demo.auditor.orders import handed_over
from hub.demo.auditor.sales import answered


def judge_shelves(evidence: Evidence) -> Finding:
    """Hold the cloud's levels against its own facts, and both against what lies on the shelf."""
    finding = Finding(4, "oversell", "the cloud's stock is what is on the shelf")
    received: dict[tuple[str, str], int] = defaultdict(int)
    issued: dict[tuple[str, str], int] = defaultdict(int)
    for stream in ("stock", "sales", "returns", "promises"):
        for each in evidence.feed[stream]:
            for sku, place, qty in each.row.get("stock", ()):
                received[sku, place] += max(qty, 0)
                issued[sku, place] += max(-qty, 0)
                finding.count("stock effects")
    levels = _levels(evidence)
    for key in sorted({*received, *levels}):
        sums = (received[key], issued[key])
        if levels.get(key, (0, 0)) != sums:
            finding.blame(f"{key[0]}: the facts add up to {sums} in and out, the cloud's level says {levels.get(key)}")
    shelf = _shelf(evidence)
    figures: dict[str, int] = defaultdict(int)
    for (sku, _), (come, gone) in levels.items():
        figures[sku] += come - gone
    for sku, there in sorted(shelf.items()):
        finding.count("SKUs")
        if figures[sku] > there:
            finding.blame(f"{sku}: the cloud would sell {figures[sku]}, {there} are there")
        elif figures[sku] < there:
            finding.blame(f"{sku}: {there} are there, the cloud knows of {figures[sku]}")
    _judge_told(evidence, finding)
    finding.need("SKUs", "stock effects", "figures told")
    return finding


def _levels(evidence: Evidence) -> dict[tuple[str, str], tuple[int, int]]:
    by_writer: dict[tuple[str, str, str], tuple[int, int]] = {}
    for each in evidence.feed["levels"]:
        row = each.row
        by_writer[row["sku"], row["location"], each.rep] = (row["received"], row["issued"])
    levels: dict[tuple[str, str], tuple[int, int]] = {}
    for (sku, place, _), (come, gone) in by_writer.items():
        before = levels.get((sku, place), (0, 0))
        levels[sku, place] = (before[0] + come, before[1] + gone)
    return levels


def _shelf(evidence: Evidence) -> dict[str, int]:
    """Return what lies there: put there, less what went over the counter or to who had ordered it, and what came back.

    Goods of a sale that the cloud never got are promise 1's and left out here; goods of one that no till made are promise 2's
    and taken as the feed has them. So each fault is named once.
    """
    shelf = opening(evidence)
    sent = {entry["sent"]["sale_id"]: entry["sent"] for entry in answered(evidence, "sale")}
    sold: dict[str, Json] = {}
    for each in evidence.feed["sales"]:
        sale: Json = sent.get(each.row["sale"]["sale_id"]) or each.row["sale"]
        sold[sale["sale_id"]] = sale
        for line in sale["lines"]:
            if line["sku"] in shelf:
                shelf[line["sku"]] -= line["qty"]
    for each in evidence.feed["returns"]:
        back = each.row["return"]
        sku_of = {line["line"]: line["sku"] for line in sold.get(back["sale_id"], {"lines": []})["lines"]}
        for line in back["lines"]:
            if (sku := sku_of.get(line["line"])) in shelf:
                shelf[sku] += line["qty"]
    for sku, qty in handed_over(evidence).items():
        shelf[sku] -= qty
    return shelf


def opening(evidence: Evidence) -> dict[str, int]:
    """Return what was put on the shelves before the day."""
    return {sku: qty for entry in evidence.office if entry["ask"] == "opening" for sku, qty in entry["sent"].items()}


def _judge_told(evidence: Evidence, finding: Finding) -> None:
    """A figure that a till was told lies between all that could be gone and all that could be there."""
    begun = opening(evidence)
    issued: dict[str, int] = defaultdict(int)
    received: dict[str, int] = defaultdict(int)
    for stream in ("sales", "returns", "promises"):
        for each in evidence.feed[stream]:
            for sku, _, qty in each.row.get("stock", ()):
                issued[sku] += max(-qty, 0)
                received[sku] += max(qty, 0)
    for entry in [*answered(evidence, "sale"), *answered(evidence, "return")]:
        for sku, figure in entry["answer"].get("stock", {}).items():
            finding.count("figures told")
            if sku in begun and not begun[sku] - issued[sku] <= figure <= begun[sku] + received[sku]:
                finding.blame(f"{entry['till']} was told {figure} of {sku}, which cannot be")
