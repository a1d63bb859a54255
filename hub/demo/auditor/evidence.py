"""The evidence: journals and raw captures from a folder, the cloud's feed over HTTP. Judges nothing but the pages' digests.

facts.json      where the cloud is, which sensor hangs where, how the printer is coded
script.ndjson   when the line was cut, the hub was killed, the paper ran out
office.ndjson   what head office sent and asked
tills.ndjson    each request of a till or the packing table and its answer, or that there was none; `wanted`: the right refusal
mqtt.ndjson     each message of a people counter, and whether the broker acknowledged it
paper/N.bin     the bytes the printer got in its N-th connection
feed/STREAM     what the cloud's feed said, kept by the audit that asked
"""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

Json = dict[str, Any]  # Any: JSON

STREAMS = (
    "sales",
    "returns",
    "stock",
    "prints",
    "levels",
    "footfall",
    "catalogue",
    "orders",
    "order_steps",
    "promises",
)
LOGS = ("sales", "returns", "stock", "prints")
PAGE_ROWS = 500
HTTP_TIMEOUT_S = 20.0
DIGEST_BYTES = 8
_ROW = b',"row":'


@dataclass(frozen=True, slots=True)
class FeedRow:
    """A row of the cloud's feed; `raw` are the bytes of `row`."""

    n: int
    rep: str
    seq: int
    row: Json
    raw: bytes


@dataclass(slots=True)
class Evidence:
    """All there is of a day; times are milliseconds since 1970."""

    facts: Json = field(default_factory=dict)
    script: list[Json] = field(default_factory=list)
    office: list[Json] = field(default_factory=list)
    tills: list[Json] = field(default_factory=list)
    mqtt: list[Json] = field(default_factory=list)
    paper: list[bytes] = field(default_factory=list)
    feed: dict[str, list[FeedRow]] = field(default_factory=dict)
    stores: Json = field(default_factory=dict)
    damage: list[str] = field(default_factory=list)

    def asked(self, what: str) -> list[Json]:
        """Return the requests of the tills of one kind."""
        return [entry for entry in self.tills if entry["ask"] == what]

    def spans(self, begin: str, end: str) -> list[tuple[int, int]]:
        """Return from when to when something of the script lasted."""
        spans: list[tuple[int, int]] = []
        since: int | None = None
        for entry in self.script:
            if entry["what"] == begin:
                since = entry["at"]
            elif entry["what"] == end and since is not None:
                spans.append((since, entry["at"]))
                since = None
        return spans if since is None else [*spans, (since, 2**60)]


def load_evidence(folder: Path, *, is_saved: bool) -> Evidence:
    """Read the folder and ask the cloud; `is_saved` reads what an earlier audit was told instead."""
    evidence = Evidence(
        facts=json.loads((folder / "facts.json").read_bytes()),
        script=_lines(folder / "script.ndjson"),
        office=_lines(folder / "office.ndjson"),
        tills=_lines(folder / "tills.ndjson"),
        mqtt=_lines(folder / "mqtt.ndjson"),
        paper=[file.read_bytes() for file in sorted((folder / "paper").glob("*.bin"))],
    )
    kept = folder / "feed"
    kept.mkdir(exist_ok=True)
    for stream in STREAMS:
        file = kept / f"{stream}.ndjson"
        if not is_saved:
            file.write_bytes(b"".join(_pages(evidence.facts, stream)))
        evidence.feed[stream] = read_feed(stream, file.read_bytes(), evidence.damage)
    if not is_saved:
        (kept / "stores.json").write_bytes(_get(evidence.facts, "/cloud/v1/stores"))
    evidence.stores = json.loads((kept / "stores.json").read_bytes())
    return evidence


def roll(digest: bytes, row: bytes) -> bytes:
    """Return d_n of d_{n-1} and the row's bytes."""
    return blake2b(digest + row, digest_size=DIGEST_BYTES).digest()


def read_feed(stream: str, body: bytes, damage: list[str]) -> list[FeedRow]:
    """Return the rows of pages one behind the other; what is wrong with a page goes to `damage`."""
    rows: list[FeedRow] = []
    digest, count, is_open = bytes(DIGEST_BYTES), 0, False
    for line in body.splitlines():
        said = json.loads(line)
        if "rows" in said:
            if (said["digest"], said["rows"]) != (digest.hex(), count):
                damage.append(f"{stream}: the page that ends at {said['next']} is not what its digest says")
            is_open = False
        elif "n" not in said:
            digest, count, is_open = bytes(DIGEST_BYTES), 0, True
        elif "row" not in said:
            damage.append(f"{stream}: row {said['n']} is no JSON")
        else:
            raw = line[line.index(_ROW) + len(_ROW) : -1]
            digest, count = roll(digest, raw), count + 1
            rows.append(FeedRow(said["n"], said["rep"], said["seq"], said["row"], raw))
    if is_open:
        damage.append(f"{stream}: the last page was cut")
    return rows


def _lines(file: Path) -> list[Json]:
    return [json.loads(line) for line in file.read_bytes().splitlines()]


def _pages(facts: Json, stream: str) -> Iterator[bytes]:
    after = 0
    while True:
        try:
            page = _get(facts, f"/cloud/v1/feed?stream={stream}&after={after}&limit={PAGE_ROWS}")
        except urllib.error.HTTPError as err:
            if err.code == 404:  # no store has sent anything of it
                return
            raise
        yield page
        trailer = json.loads(page.splitlines()[-1])
        if not trailer["more"]:
            return
        after = trailer["next"]


def _get(facts: Json, path: str) -> bytes:
    request = urllib.request.Request(facts["cloud"] + path, headers={"Authorization": f"Bearer {facts['token']}"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=HTTP_TIMEOUT_S) as answer:  # noqa: S310 - http:// on this machine
        content: bytes = answer.read()
    return content
