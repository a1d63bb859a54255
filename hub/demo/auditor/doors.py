"""Promise 5: every visitor is counted once. Reads the counters' messages by its own rules and holds the cloud's windows to them.

The rule (docs/mqtt.md): a first total is a baseline; a total that grew counts its growth; one that fell after a new boot or with
a later time began again from 0; all else is a repetition or late, and counts nothing. The quarter hour is the sensor's, in UTC.

A broker inside the hub acknowledges before the hub has committed, so what it took right before a kill may be gone; the totals
make up for it, though perhaps in the next quarter hour. Such messages are in doubt: the figure lies between with and without.
"""

import json
from collections import defaultdict
from datetime import datetime

from hub.demo.auditor.evidence import Evidence, Json
from hub.demo.auditor.finding import Finding

QUARTER_MS = 15 * 60 * 1000
DOUBT_MS = 3_000  # before a kill: far longer than the hub needs from a message to its commit
BACK_MS = 1_000  # behind the restart: the broker listens before the hub has subscribed
Windows = dict[tuple[str, int], tuple[int, int]]


def judge_doors(evidence: Evidence) -> Finding:
    """Hold the cloud's windows against the counters' messages."""
    finding = Finding(5, "miscount", "every visitor is counted once")
    kills = evidence.spans("hub_killed", "hub_ready")
    doubtful = [
        not entry["acked"] or any(begin - DOUBT_MS <= entry["at"] <= end + BACK_MS for begin, end in kills)
        for entry in evidence.mqtt
    ]
    sure = [entry for entry, is_doubtful in zip(evidence.mqtt, doubtful, strict=True) if not is_doubtful]
    low, high = count(sure, evidence.facts["entrances"]), count(evidence.mqtt, evidence.facts["entrances"])
    found = _windows(evidence)
    for key in sorted({*low, *high, *found}):
        one, other, there = low.get(key, (0, 0)), high.get(key, (0, 0)), found.get(key, (0, 0))
        finding.count("quarter hours of a door")
        if not all(min(a, b) <= n <= max(a, b) for a, b, n in zip(one, other, there, strict=True)):
            moment = datetime.fromtimestamp(key[1] / 1000).astimezone().isoformat()
            finding.blame(f"{key[0]} at {moment}: the counters say {other} in and out, the cloud {there}")
    for entrance in sorted({name for name, _ in high}):
        finding.count("visitors", sum(window[0] for (name, _), window in high.items() if name == entrance))
    finding.count("messages", len(evidence.mqtt))
    finding.count("sent again", sum(1 for entry in evidence.mqtt if entry["dup"]))
    finding.need("quarter hours of a door", "visitors")
    return finding


def count(messages: list[Json], entrances: dict[str, str]) -> Windows:
    """Return in and out by entrance and quarter hour."""
    windows: dict[tuple[str, int], list[int]] = defaultdict(lambda: [0, 0])
    last: dict[str, Json] = {}
    former: dict[str, set[str]] = defaultdict(set)
    for entry in messages:
        sensor = entry["topic"].split("/")[-2]
        said = json.loads(entry["payload"])
        before = last.get(sensor)
        if before is None:
            last[sensor] = said
            continue
        is_reborn = said["boot"] != before["boot"]
        if said["boot"] in former[sensor] or (not is_reborn and said["at"] < before["at"]):
            continue
        has_fallen = said["in"] < before["in"] or said["out"] < before["out"]
        if has_fallen and not is_reborn and said["at"] == before["at"]:
            continue
        begun = {"in": 0, "out": 0} if has_fallen else before
        window = windows[entrances.get(sensor, sensor), said["at"] - said["at"] % QUARTER_MS]
        window[0] += said["in"] - begun["in"]
        window[1] += said["out"] - begun["out"]
        if is_reborn:
            former[sensor].add(before["boot"])
        last[sensor] = said
    return {key: (window[0], window[1]) for key, window in windows.items() if window != [0, 0]}


def _windows(evidence: Evidence) -> Windows:
    by_writer: dict[tuple[str, int, str], tuple[int, int]] = {}
    for each in evidence.feed["footfall"]:
        quarter_ms = int(datetime.fromisoformat(each.row["quarter"]).timestamp() * 1000)
        by_writer[each.row["entrance"], quarter_ms, each.rep] = (each.row["in"], each.row["out"])
    windows: dict[tuple[str, int], tuple[int, int]] = {}
    for (entrance, quarter_ms, _), (entered, exited) in by_writer.items():
        before = windows.get((entrance, quarter_ms), (0, 0))
        windows[entrance, quarter_ms] = (before[0] + entered, before[1] + exited)
    return windows
