"""Promise 6: the cloud has the whole record, in order, and what head office says reaches the tills."""

import re
from collections import defaultdict

from hub.demo.auditor.evidence import DIGEST_BYTES, LOGS, Evidence, Json, roll
from hub.demo.auditor.finding import Finding
from hub.demo.auditor.sales import answered

_NUMBER = re.compile(r"(.+)-(\d+)")


def judge_streams(evidence: Evidence) -> Finding:
    """Hold the streams to their own laws."""
    finding = Finding(6, "gap", "the record has no gap, prices come down")
    finding.offences += evidence.damage
    _judge_logs(evidence, finding)
    _judge_numbers(evidence, finding)
    _judge_prices(evidence, finding)
    finding.need("rows", "receipt numbers", "prices changed without a line")
    return finding


def _judge_logs(evidence: Evidence, finding: Finding) -> None:
    stated = {
        (each["rep"], each["stream"]): each
        for store in evidence.stores.get("items", [])
        for each in store.get("streams", [])
    }
    for stream in LOGS:
        last: dict[str, int] = defaultdict(int)
        digest: dict[str, bytes] = defaultdict(lambda: bytes(DIGEST_BYTES))
        for each in evidence.feed[stream]:
            if each.seq != last[each.rep] + 1:
                finding.blame(f"{stream} of {each.rep}: {each.seq} stands behind {last[each.rep]}")
            last[each.rep] = each.seq
            digest[each.rep] = roll(digest[each.rep], each.raw)
            finding.count("rows")
        for rep, end in last.items():
            said = stated.get((rep, stream), {})
            if said.get("last", end) != end:
                finding.blame(f"{stream} of {rep}: the feed ends at {end}, the cloud says it has {said['last']}")
            if said.get("digest", digest[rep].hex()) != digest[rep].hex():
                finding.blame(f"{stream} of {rep}: the rows give {digest[rep].hex()}, the cloud says {said['digest']}")
            finding.count("digests")


def _judge_numbers(evidence: Evidence, finding: Finding) -> None:
    series: dict[str, list[int]] = defaultdict(list)
    for each in evidence.feed["sales"]:
        number = _NUMBER.fullmatch(each.row["receipt_no"])
        if number is None:
            finding.blame(f"receipt {each.row['receipt_no']!r} has no number")
            continue
        series[number[1]].append(int(number[2]))
    for name, numbers in series.items():
        finding.count("receipt numbers", len(numbers))
        wanted = set(range(1, max(numbers) + 1))
        if missing := sorted(wanted - set(numbers)):
            finding.blame(f"receipts {name}: {missing[0]} is missing")
        if len(set(numbers)) < len(numbers):
            finding.blame(f"receipts {name}: a number was given twice")


def _judge_prices(evidence: Evidence, finding: Finding) -> None:
    """A price that was changed while the line was down is the cloud's, and a till sold at it after the line was back."""
    standing = {each.row["sku"]: each.row for each in evidence.feed["catalogue"] if each.row.get("kind") == "price"}
    outages = evidence.spans("line_down", "line_up")
    changes = [entry for entry in evidence.office if entry["ask"] == "prices"]
    _judge_standing(evidence, standing, {sku for entry in changes for sku in entry["sent"]}, finding)
    for entry in changes:
        back = next((end for begin, end in outages if begin <= entry["at"] <= end), None)
        for sku, amount in entry["sent"].items():
            if back is not None:
                finding.count("prices changed without a line")
            if (there := standing.get(sku, {}).get("amount")) != amount:
                finding.blame(f"{sku}: head office said {amount}, the cloud's catalogue {there}")
            sold = [
                line["unit_price"]
                for sale in answered(evidence, "sale")
                for line in sale["sent"]["lines"]
                if line["sku"] == sku and sale["at"] > (back or entry["at"])
            ]
            if amount not in sold:
                finding.blame(f"{sku}: no till sold at the new price of {amount} after the line was back")


def _judge_standing(evidence: Evidence, standing: dict[str, Json], changed: set[str], finding: Finding) -> None:
    """A price that head office did not change is in the cloud's catalogue what the tills sold at, all day and at both tills.

    Proved of every SKU that was sold or changed. Of one that nobody bought no evidence says what it should cost.
    """
    sold: dict[str, set[tuple[int, int, str]]] = defaultdict(set)
    for entry in evidence.asked("sale"):
        for line in entry["sent"]["lines"]:
            sold[line["sku"]].add((line["unit_price"], line.get("per", 1), entry["sent"]["currency"]))
    for sku in sorted(sold.keys() - changed):
        finding.count("prices as sold")
        row = standing.get(sku, {})
        there = (row.get("amount"), row.get("per", 1), row.get("currency"))
        if sold[sku] != {there}:
            said = ", ".join(f"{amount} {currency} a {per}" for amount, per, currency in sorted(sold[sku]))
            finding.blame(f"{sku}: sold at {said}; the cloud's catalogue says {there[0]} {there[2]} a {there[1]}")
