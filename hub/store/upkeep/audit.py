"""The books of a shop recomputed from its facts, and each first difference in plain words. Reads only: one snapshot of the file.

    check      recomputed                                                        repair (hub.store.upkeep.mending)
    file       SQLite's own check                                                none: restore a backup
    log        every log dense, from its floor; digests give the stored ones     none: facts are never repaired
    stock      opening balances + effects of the facts that count = cached sum   the cached sum
    level      opening + effects of the facts that are folded = own tallies      a compensation
    returned   no more of a sale's line is back than was sold, by all, elsewhere   none: a person has to know
    receipt    each series of the hub's numbers without a gap                    the next number, where it is behind
    gtin       every GTIN of a product leads to a product that names it          rewritten
    text       every product is found by its words                               rewritten
    hole       rows of another machine that nobody has any more                  none: a person has to know

Not here: comparing with the peer (hub.audit_peer). Source: the design, 3.2, 3.4.
"""

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from sqlite3 import Connection
from typing import Annotated

from msgspec import Meta, Struct

from hub.store.catalogue.product_rows import words_of
from hub.store.selling.sales import series_of
from sync.effects import effects_of
from sync.entities import REGISTRY
from sync.model import Feed, Replica, Stream
from sync.retail.catalogue.registers import ProductRow
from sync.retail.names import Name
from sync.retail.selling.left import split_number
from sync.store.audit import check_log, logs

NAMED_MAX = 500  # differences of one check that are named; a repair and another audit find the rest
Place = tuple[str, str]
Say = Callable[[str, int], None]
"""Told now and then: what is being read, and how many rows more were."""


class Finding(Struct, frozen=True):
    """Something that differs, in plain words. `key` is what a repair needs; `by` how much is missing from what is cached."""

    check: str
    said: str
    key: Annotated[tuple[str, ...], Meta(max_length=8)] = ()
    by: Annotated[tuple[int, ...], Meta(max_length=8)] = ()
    can_repair: bool = False


def audit(read: Connection, own: Replica, say: Say = lambda _what, _rows: None) -> list[Finding]:
    """Return what differs, by check, at most NAMED_MAX of each; nothing when the books are right."""
    read.execute("BEGIN")  # one moment for all checks
    try:
        found: list[Finding] = []
        for check in (_file, _logs, _stock, _levels, _returned, _receipts, _gtins, _texts, _holes):
            try:
                found += _first(check(read, own, say))
            except (sqlite3.DatabaseError, ValueError) as err:
                name = check.__name__.strip("_").removesuffix("s")
                found.append(
                    Finding(name, f"{name}: a row cannot be read at all ({err}); look at what is named beside it")
                )
    finally:
        read.execute("ROLLBACK")
    return found


def _first(findings: Iterator[Finding]) -> list[Finding]:
    named = [finding for finding, _ in zip(findings, range(NAMED_MAX + 1), strict=False)]
    if len(named) <= NAMED_MAX:
        return named
    check = named[0].check
    return [
        *named[:NAMED_MAX],
        Finding(check, f"{check}: there are more than {NAMED_MAX}; the rest is named next time"),
    ]


def _file(read: Connection, _own: Replica, _say: Say) -> Iterator[Finding]:
    for (said,) in read.execute("PRAGMA quick_check(5)").fetchall():
        if said != "ok":
            yield Finding(
                "file", f"the database file is damaged: {said}; restore a backup, the cloud sends what came after it"
            )


def _logs(read: Connection, _own: Replica, say: Say) -> Iterator[Finding]:
    for log in logs(read):
        broken = check_log(read, log, lambda rows, stream=log.stream: say(stream, rows))  # type: ignore[misc]
        if broken is not None:
            after, upto = broken.after, broken.upto
            said = f"log {log.rep} {log.stream}: {broken.why}; right up to {after}, wrong at {upto} or before"
            yield Finding("log", said, (log.rep, log.stream, str(after), str(upto)))


def effects_that_count(read: Connection, own: Replica, say: Say = lambda _what, _rows: None) -> Counter[Place]:
    """Return (sku, location) -> what the facts of this store's lives and their opening balances come to."""
    sums: Counter[Place] = Counter()
    of_store = "replica IN (SELECT id FROM replica WHERE store = ?)"
    for stream, tables in REGISTRY.tables_with_effects.items():
        for table in tables if stream != Stream.DUPLICATES else ():
            rows = read.execute(
                f"""
                SELECT effect.value ->> 0, effect.value ->> 1, sum(effect.value ->> 2)
                FROM {table} AS fact, json_each(fact.body, '$.stock') AS effect
                WHERE fact.{of_store} GROUP BY 1, 2
                """,
                (own.store,),
            )
            for sku, location, qty in rows:
                sums[sku, location] += qty
            say(table, 1)
    for sku, location, qty in read.execute(
        f"SELECT sku, location, sum(on_hand) FROM opening WHERE {of_store} GROUP BY 1, 2", (own.store,)
    ):
        sums[sku, location] += qty
    for stream, body in read.execute(
        f"SELECT stream, body FROM unknown_row WHERE key IS NULL AND {of_store}", (own.store,)
    ):
        if REGISTRY.feeds.get(stream, Feed.LOG) is Feed.LOG:
            for effect in effects_of(body):
                sums[effect.sku, effect.location] += effect.qty
    return sums


def _stock(read: Connection, own: Replica, say: Say) -> Iterator[Finding]:
    by_facts = effects_that_count(read, own, say)
    cached = {(sku, place): qty for sku, place, qty in read.execute("SELECT sku, location, on_hand FROM stock")}
    for place in sorted({*by_facts, *cached}):
        there, expected = cached.get(place, 0), by_facts.get(place, 0)
        if there != expected:
            said = f"stock of {place[0]} at {place[1]}: the shelf's figure says {there}, the facts add up to {expected}"
            yield Finding("stock", said, place, (expected - there,), can_repair=True)


def levels_by_facts(
    read: Connection, own: Replica, say: Say = lambda _what, _rows: None
) -> dict[Place, tuple[int, int, int]]:
    """Return (sku, location) -> received, issued, picked of this life, by its opening balances and the facts that are folded."""
    sums: dict[Place, list[int]] = defaultdict(lambda: [0, 0, 0])
    folded = dict(read.execute("SELECT stream, last FROM folded WHERE replica = ?", (own.local_id,)).fetchall())
    for stream, tables in REGISTRY.tables_with_effects.items():
        sources = [f"SELECT seq, body FROM {table} WHERE replica = ? AND seq <= ?" for table in tables]
        sources.append(
            f"SELECT seq, CAST(body AS TEXT) FROM second_row WHERE replica = ? AND seq <= ? AND stream = '{stream}'"
        )
        for source in sources:
            for _, body in read.execute(source, (own.local_id, folded.get(stream, 0))):
                _add_moves(sums, json.loads(body))
            say(stream, 1)
    for sku, location, *more in read.execute(
        "SELECT sku, location, received, issued, picked FROM opening WHERE replica = ?", (own.local_id,)
    ):
        total = sums[sku, location]
        for at, number in enumerate(more):
            total[at] += number
    return {place: (total[0], total[1], total[2]) for place, total in sums.items()}


def _add_moves(sums: dict[Place, list[int]], fact: dict[str, list[list[str | int]]]) -> None:
    for sku, location, qty in fact.get("stock", ()):
        sums[str(sku), str(location)][0 if int(qty) > 0 else 1] += abs(int(qty))
    for sku, location, qty in fact.get("picked", ()):
        sums[str(sku), str(location)][2] += int(qty)


def _levels(read: Connection, own: Replica, say: Say) -> Iterator[Finding]:
    by_facts = levels_by_facts(read, own, say)
    told = {
        (sku, place): numbers
        for sku, place, *numbers in read.execute(
            "SELECT sku, location, received, issued, picked FROM level WHERE replica = ?", (own.local_id,)
        )
    }
    for place in sorted({*by_facts, *told}):
        there, expected = tuple(told.get(place, (0, 0, 0))), by_facts.get(place, (0, 0, 0))
        if there != expected:
            by = tuple(one - other for one, other in zip(expected, there, strict=True))
            said = (
                f"level of {place[0]} at {place[1]}: other branches are told received {there[0]}, issued {there[1]}, "
                f"picked {there[2]}; the facts say {expected[0]}, {expected[1]}, {expected[2]}"
            )
            yield Finding("level", said, place, by, can_repair=by[2] >= 0)


def _returned(read: Connection, _own: Replica, _say: Say) -> Iterator[Finding]:
    """Two lives or stores that did not know of each other, or a till that said what had happened already."""
    rows = read.execute(
        """
        WITH each_back AS (
          SELECT sale_return.sale_id AS sale_id, each_line.value ->> 'line' AS line, each_line.value ->> 'qty' AS qty
          FROM sale_return, json_each(sale_return.body, '$.lines') AS each_line
          UNION ALL
          SELECT sale.sale_id, each_line.value ->> 0, each_line.value ->> 1
          FROM returned_elsewhere AS taken JOIN sale ON sale.sale_id = taken.sale OR sale.receipt_no = taken.sale,
            json_each(taken.body, '$.lines') AS each_line
          WHERE NOT EXISTS (SELECT 1 FROM sale_return WHERE return_id = taken.body ->> '$.return_id')
        ),
        back AS (SELECT sale_id, line, sum(qty) AS qty FROM each_back GROUP BY 1, 2)
        SELECT back.sale_id, back.line, sold.value ->> 'qty', back.qty
        FROM back JOIN sale ON sale.sale_id = back.sale_id, json_each(sale.body, '$.sale.lines') AS sold
        WHERE sold.value ->> 'line' = back.line AND back.qty > sold.value ->> 'qty' ORDER BY 1, 2
        """
    )
    for sale_id, line, sold, back in rows:
        yield Finding(
            "returned", f"sale {sale_id} line {line}: {back} are back of {sold} that were sold", (sale_id, str(line))
        )


def _receipts(read: Connection, own: Replica, _say: Say) -> Iterator[Finding]:
    """A number that is missing was given to nobody, or its sale has gone: the tax office asks for either."""
    lives = read.execute("SELECT incarnation FROM replica WHERE store = ?", (own.store,)).fetchall()
    series_here = {series_of(incarnation) for (incarnation,) in lives}
    numbers: dict[Place, set[int]] = defaultdict(set)
    for (receipt_no,) in read.execute(
        "SELECT receipt_no FROM sale UNION SELECT CAST(body AS TEXT) ->> 'receipt_no' FROM second_row WHERE stream = ?",
        (Stream.SALES,),
    ):
        split = split_number(str(receipt_no).partition("~")[0])
        if split is not None and split[1] in series_here:
            numbers[split[0], split[1]].add(split[2])
    began = {
        (till, series): n for till, series, n in read.execute("SELECT till_id, series, last_n FROM opening_receipt")
    }
    given = {
        (till, series): n for till, series, n in read.execute("SELECT till_id, series, last_n FROM receipt_series")
    }
    for name in sorted({*numbers, *given}):
        found, first = numbers.get(name, set()), began.get(name, 0)
        last = max([first, *found])
        missing = next((n for n in range(first + 1, max(last, given.get(name, 0)) + 1) if n not in found), None)
        if missing is not None:
            yield Finding("receipt", f"receipts {name[0]}-{name[1]}: number {missing:06} is on no sale", name)
        if name[1] == series_of(own.incarnation) and given.get(name, 0) < last:
            said = f"receipts {name[0]}-{name[1]}: the next number would be {given.get(name, 0) + 1:06}, {last:06} is given"
            yield Finding("receipt", said, name, (last,), can_repair=True)


def _gtins(read: Connection, _own: Replica, _say: Say) -> Iterator[Finding]:
    missing = read.execute(
        """
        SELECT named.value, product.sku FROM product, json_each(product.gtins) AS named
        WHERE product.gone = 0 AND named.value NOT IN (SELECT gtin FROM product_gtin) ORDER BY 1
        """
    )
    for gtin, sku in missing:
        yield Finding("gtin", f"GTIN {gtin} of {sku} is not found when it is scanned", (sku,), can_repair=True)
    wrong = read.execute(
        """
        SELECT gtin, product_gtin.sku FROM product_gtin LEFT JOIN product ON product.sku = product_gtin.sku AND product.gone = 0
        WHERE product.sku IS NULL OR gtin NOT IN (SELECT value FROM json_each(product.gtins)) ORDER BY 1
        """
    )
    for gtin, sku in wrong:
        yield Finding("gtin", f"GTIN {gtin} leads to {sku}, which does not name it", (sku, gtin), can_repair=True)


def _texts(read: Connection, _own: Replica, say: Say) -> Iterator[Finding]:
    rows = read.execute(
        """
        SELECT product.id, sku, gone, name_zh_hant, name_en, attributes, gtins, words
        FROM product LEFT JOIN product_text ON product_text.rowid = product.id
        """
    )
    for number, (_, sku, gone, zh_hant, en, attributes, gtins, words) in enumerate(rows):
        if number % 1000 == 999:
            say("products", 1000)
        expected = None if gone else _words(sku, zh_hant, en, attributes, gtins)
        if words != expected:
            said = "is found though it is gone" if gone else "is not found by its words"
            yield Finding("text", f"search: {sku} {said}", (sku,), can_repair=True)
    for (rowid,) in read.execute("SELECT rowid FROM product_text WHERE rowid NOT IN (SELECT id FROM product)"):
        yield Finding("text", f"search: entry {rowid} is of no product", ("", str(rowid)), can_repair=True)


def _words(sku: str, zh_hant: str, en: str, attributes: str, gtins: str) -> str:
    name = Name(zh_hant=zh_hant, en=en)
    return words_of(ProductRow(sku=sku, n=0, name=name, attributes=json.loads(attributes), gtins=json.loads(gtins)))


def _holes(read: Connection, _own: Replica, _say: Say) -> Iterator[Finding]:
    rows = read.execute(
        """
        SELECT store || ':' || incarnation, stream, after, last
        FROM hole JOIN replica ON replica.id = hole.replica ORDER BY noted_ms
        """
    )
    for rep, stream, after, last in rows:
        said = f"log {rep} {stream}: rows {after + 1} to {last} are lost: nobody has them any more"
        yield Finding("hole", said, (rep, stream))
