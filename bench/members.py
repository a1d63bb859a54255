"""Benchmark `members`: a member is looked up among 500,000 by telephone, by 16 clients, against http_floor.py; and by name.

One member is enrolled by the hub's own job; the others are written into the tables as that job writes them, each with a name, a
telephone and a card: half a million jobs would take most of an hour. A round is http_floor.py and one load of look-ups with the
file in the machine's memory: telephone numbers as people write them, one in ten of nobody, anybody as often as another. CPU is
the hub's process. Then a manager's searches by name and last digits, one after the other; and one load more where nothing of
the file is in memory (`cold_`). Figures are medians of the rounds.
"""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from sqlite3 import Connection
from typing import Any

import aiohttp
import msgspec

from bench.figures import Figures, Target, median_of_rounds, p50_p99_ms
from bench.machine import reference_sha256
from bench.processes import HubProcess, run_reference, stopped_at_end, working_folder
from hub import app
from hub.config import load_config
from hub.migrations import MIGRATIONS
from hub.store.catalogue.search import index_words
from hub.store.model import utc
from hub.store.people.member_keys import keys
from hub.store.people.member_requests import Enrolment
from hub.store.people.member_words import DIGITS
from hub.store.people.members import Work, enrol_job
from sync.db import open_database
from sync.merge import Cell
from sync.retail.people.identities import IdentityFact, keyed_hash
from sync.retail.people.members import MemberRow

MEMBERS = 500_000
WRITTEN_AT_ONCE = 5_000
CLIENTS = 16
SEARCHES = 60
FAMILIES = "陳林黃張李王吳劉蔡楊許鄭謝郭洪邱曾廖賴徐"
GIVEN = "志明淑芬俊傑美玲家豪雅婷建宏怡君承恩詩涵"
LATIN = ("Chan", "Wong", "Lee", "Cheung", "Lau", "Ho", "Ng", "Leung", "Tsang", "Kwok")


async def measure(folder: Path, *, rounds: int, seconds: float, say: Callable[[str], None]) -> dict[str, Any]:
    """Return the figures. Any: JSON."""
    done: list[Figures] = []
    with working_folder(folder) as work:
        hub = HubProcess(work / "hub")
        await _enrol(work / "hub" / "run.toml", say)
        with stopped_at_end(hub):
            hub.start()
            tokens = [token for _, token in await hub.pair(CLIENTS, scope="manager")]
            for number in range(1, rounds + 1):
                raw = await asyncio.to_thread(run_reference, "http_floor.py", str(CLIENTS), str(seconds))
                hub.warm()
                done.append(await _round(hub, tokens, raw, seconds, seed=number))
                say(
                    f"round {number} of {rounds}: CPU {done[-1]['cpu_us']:.0f} us, {done[-1]['cpu_ratio']:.2f} x the floor"
                )
            hub.warm()
            searched = await _searches(hub, tokens[0])
            hub.chill()
            cold = await _round(hub, tokens, raw, seconds, seed=rounds + 1)
            searched |= {f"cold_{key}": cold[key] for key in ("cpu_us", "p50_ms", "p99_ms")}
            extra = {"rss_mib": hub.rss_mib(), "database_mib": hub.database_bytes / 2**20, "members": float(MEMBERS)}
    extra["ready_s"] = hub.ready_s
    return median_of_rounds(done) | searched | extra | {"rounds": rounds, "reference_sha256": reference_sha256()}


def targets(result: dict[str, Any]) -> list[Target]:
    """Return the look-up targets of the design, section 8. Any: what `measure` returned."""
    return [
        Target("CPU over the floor's GET", result["cpu_ratio"], 3, "at_most"),
        Target("p99 over the floor's GET", result["p99_ratio"], 3, "at_most"),
        Target("search p99 over the floor's GET", result["search_p99_ms"] / result["ref_p99_ms"], 12, "at_most"),
    ]


def columns(result: dict[str, Any]) -> dict[str, Figures]:
    """Return the column of the table. Any: what `measure` returned."""
    return {f"{MEMBERS:,} members": {key: value for key, value in result.items() if isinstance(value, float)}}


def phone_of(number: int) -> str:
    """Return the telephone number of a member: Hong Kong mobiles from 6100 0000."""
    return f"{61_000_000 + number}"


def card_of(number: int) -> str:
    """Return the card of a member."""
    return f"HK{number:08}"


def name_of(number: int) -> str:
    """Return a member's name: many have the same family name, few the same whole."""
    rng = random.Random(number)
    return f"{rng.choice(LATIN)} {rng.choice(FAMILIES)}{rng.choice(GIVEN)}{rng.choice(GIVEN)}"


async def _enrol(config: Path, say: Callable[[str], None]) -> None:
    loaded = load_config(config)
    async with open_database(loaded.database, migrations=MIGRATIONS) as db:
        hub = await app.open_hub(loaded, db, now_ms=lambda: time.time_ns() // 1_000_000)
        first = Enrolment(member_id="m000000", name=name_of(0), phone=phone_of(0), card=card_of(0))
        await db.write(enrol_job(hub.member_work("machine"), first))
        for start in range(1, MEMBERS, WRITTEN_AT_ONCE):
            batch = range(start, min(MEMBERS, start + WRITTEN_AT_ONCE))
            await db.write(partial(_write, work=hub.member_work("machine"), batch=batch))
        say(f"{MEMBERS:,} members written")


def _write(tx: Connection, *, work: Work, batch: range) -> None:
    """Write members into the tables, with the dots that a hub would have given them."""
    key, own, at = keys(tx)[0], work.replica.local_id, utc(work.now_ms)
    facts, cells, known, words = [], [], [], []
    for n in batch:
        said = {"phone": f"+852{phone_of(n)}", "card": card_of(n)}
        for place, (kind, form) in enumerate(said.items()):
            hashed = keyed_hash(key.secret, kind, form)
            fact = IdentityFact(
                identity_id=f"i{n}{kind}", member_id=f"m{n:06}", of=kind, hash=hashed, key_id=key.key_id, at=at
            )
            body = msgspec.json.encode(fact).decode()
            facts.append((own, 10 + 2 * n + place, fact.identity_id, fact.member_id, kind, hashed, body))
        row = {name: Cell(text, work.stamped.stamp) for name, text in {**said, "name": name_of(n)}.items()}
        cells.append((f"m{n:06}", own, 10 + n, msgspec.json.encode(MemberRow(key=f"m{n:06}", cells=row)).decode()))
        found = index_words(name_of(n), phone_of(n)[-DIGITS:])
        known.append((10 + n, f"m{n:06}", found))
        words += [(word, 10 + n) for word in found.split()]
    tx.executemany(
        "INSERT INTO identity (replica, seq, identity_id, member_id, of, hash, body) VALUES (?, ?, ?, ?, ?, ?, ?)",
        facts,
    )
    tx.executemany("INSERT INTO member (member_id, replica, seq, body) VALUES (?, ?, ?, ?)", cells)
    tx.executemany("INSERT INTO member_known (id, member_id, words) VALUES (?, ?, ?)", known)
    tx.executemany("INSERT INTO member_word (word, id) VALUES (?, ?)", words)


async def _round(hub: HubProcess, tokens: Sequence[str], raw: Figures, seconds: float, *, seed: int) -> Figures:
    rng, took_s, cpu_s = random.Random(seed), list[float](), hub.cpu_s()
    end_s = time.perf_counter() + seconds
    async with aiohttp.ClientSession(hub.url, connector=aiohttp.TCPConnector(limit=0)) as session:

        async def one(token: str) -> None:
            headers = {"Authorization": f"Bearer {token}"}
            while (began_s := time.perf_counter()) < end_s:
                number = rng.randrange(MEMBERS + MEMBERS // 10)
                phone = phone_of(number)
                written = rng.choice((phone, f"{phone[:4]} {phone[4:]}", f"+852{phone}"))
                async with session.get("/v1/members", params={"phone": written}, headers=headers) as response:
                    found = (await response.json())["items"]
                took_s.append(time.perf_counter() - began_s)
                assert [each["member_id"] for each in found] == ([f"m{number:06}"] if number < MEMBERS else [])

        await asyncio.gather(*(one(token) for token in tokens))
    p50_ms, p99_ms = p50_p99_ms(took_s)
    cpu_us = (hub.cpu_s() - cpu_s) / len(took_s) * 1e6
    return {
        "per_s": len(took_s) / seconds,
        "cpu_us": cpu_us,
        "cpu_ratio": cpu_us / raw["get_cpu_us"],
        "p50_ms": p50_ms,
        "p99_ms": p99_ms,
        "p99_ratio": p99_ms / raw["get_p99_ms"],
        "ref_cpu_us": raw["get_cpu_us"],
        "ref_p99_ms": raw["get_p99_ms"],
    }


async def _searches(hub: HubProcess, token: str) -> Figures:
    rng, took_s = random.Random(7), list[float]()
    async with aiohttp.ClientSession(hub.url, headers={"Authorization": f"Bearer {token}"}) as session:
        for _ in range(SEARCHES):
            number = rng.randrange(MEMBERS)
            asked = rng.choice((name_of(number), name_of(number).split()[1], phone_of(number)[-4:], "Chan"))
            began_s = time.perf_counter()
            async with session.get("/v1/members", params={"q": asked}) as response:
                assert response.status == 200 and (await response.json())["items"], (asked, await response.text())
            took_s.append(time.perf_counter() - began_s)
    p50_ms, p99_ms = p50_p99_ms(took_s)
    return {"search_p50_ms": p50_ms, "search_p99_ms": p99_ms}
