"""Old and new programs together: what each machine's program knows, put in place before its code runs.

    older     today's program, perhaps without features of the protocol that came late; at a hub perhaps with the earlier rule
              that of two rows of one life under a key the earlier stands (docs/lives.md; a cloud goes first)
    newer     one of tomorrow: version 2 of the protocol with a feature, a frame and a field that nobody knows yet, a new log
              `samples` that moves stock, and a field more of every product

A machine that is upgraded dies and starts with the newer program on its file, to which the new tables and columns are added.
Everything of the newer program is declared here; the rest is the product's own code, which reads the declarations.
"""

import random
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from hashlib import blake2b
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from hub import books
from hub.store.catalogue import catalogue as hub_catalogue
from hub.store.catalogue import product_rows
from hub.store.stock.stock import apply_effects
from hub.store.upkeep import scopes, siblings
from sync import session
from sync.cloud import catalogue
from sync.cloud.arrivals import adopting, facts, rows
from sync.cloud.scopes import relay
from sync.entities import REGISTRY, Registry
from sync.errors import StartError
from sync.kinds import Column, Entity, Kind, Measure, Priority
from sync.merge import FactDot, standing
from sync.model import Dot, Replica
from sync.protocol import FEATURES, Hello, HelloOk, Unknown
from sync.retail.catalogue import registers
from sync.retail.catalogue.catalogue import Product as Goods
from sync.retail.selling.sales import StockEffect
from sync.store import facts as store_facts
from sync.store import rows as store_rows
from sync.store.schema import compare
from sync.store.writing import record_fact

if TYPE_CHECKING:
    from tests.sim.node import Node
    from tests.sim.world import World

UPGRADE_MS = (5_000, 200_000)  # of a run of about three minutes
OLDER_PCT = 60
EARLIER_RULE_PCT = 50  # of the older hubs
LATER = "later"  # the feature and the frame of tomorrow
SAMPLES = "samples"
MEETS = (
    "unknown rows kept",
    "unknown rows applied by an upgrade",
    "unknown rows passed on",
    "unknown frame skipped",
    "field of tomorrow kept by today's hub",
)
_VIEWS = ("streams", "feeds", "by_name", "tables_with_effects")


class SampleRow(Struct, frozen=True, kw_only=True):
    """Goods given away for a taste."""

    v: int = 1
    sample_id: str
    qty: int
    stock: tuple[StockEffect, ...]


class ProductRow(registers.ProductRow, frozen=True, kw_only=True, tag_field="kind", tag="product"):
    """A product, with where it comes from."""

    origin: str = ""


class LaterFrame(Struct, frozen=True, tag=LATER):
    """A frame of which today's program knows nothing."""

    why: str = "tomorrow"


class LaterHello(Hello, frozen=True, tag="hello", kw_only=True):
    """With a field more."""

    mood: str = "good"


class LaterHelloOk(HelloOk, frozen=True, tag="hello_ok", kw_only=True):
    """With a field more."""

    mood: str = "good"


SAMPLE = Entity(
    name="sample",
    stream=SAMPLES,
    kind=Kind.FACT,
    table="sample",
    row=SampleRow,
    doc="Goods that were given away for a taste.",
    key=(Column("sample_id", path="sample_id"),),
    measure=Measure(amount="qty"),
    priority=Priority.SOON,
)
PRODUCT = replace(
    registers.PRODUCT, row=ProductRow, columns=(*registers.PRODUCT.columns, Column("origin", path="origin", default=""))
)


@dataclass(frozen=True, eq=False)
class Program:
    """What a program knows: `names` are the values that its modules have made of it."""

    name: str
    registry: Registry
    version: int = 1
    features: tuple[str, ...] = FEATURES
    names: dict[tuple[Any, str], Any] = field(default_factory=dict)  # Any: modules, and what stands in them


def begin(world: "World") -> None:
    """Draw who is older, and when he is upgraded."""
    rules = random.Random(f"rules {world.options.seed}")
    for node in world.nodes:
        is_earlier = rules.randrange(100) < EARLIER_RULE_PCT and node is not world.cloud
        if world.rng.randrange(100) < OLDER_PCT:
            features = tuple(each for each in FEATURES if world.rng.random() < 0.7)
            install(node, older(features, is_earlier=is_earlier))
        else:
            install(node, newer())


def install(node: "Node", program: Program) -> None:
    """Let a machine run a program; an older one for a while."""
    node.program = program
    if program.version == 1:
        at_ms = node.world.rng.randint(*UPGRADE_MS)
        node.world.until_healed(lambda: upgrade(node), ms=(at_ms, at_ms))


def upgrade(node: "Node") -> None:
    """Install the newer program: it runs from the next start on."""
    node.program = newer()
    if node.is_up:
        node.die("is upgraded")


def use(program: Program) -> None:
    """Let the product's code be this program from now on."""
    if _using[0] is program:
        return
    _using[0] = program
    for (module, name), value in program.names.items():
        setattr(module, name, value)
    object.__setattr__(REGISTRY, "entities", program.registry.entities)
    for name in _VIEWS:  # dicts that others hold: changed in place
        view = getattr(REGISTRY, name)
        view.clear()
        view.update(getattr(program.registry, name))
    session.Session.__init__.__kwdefaults__["features"] = program.features


def bring_up(program: Program, connection: sqlite3.Connection) -> None:
    """Add to a hub's file the tables and columns that a newer program wants, as its migration would; raise StartError."""
    if program.version > 1:
        wanted = compare(connection, program.registry.entities)
        assert not wanted.refused
        try:
            connection.executescript("\n".join(["BEGIN;", *wanted.statements, "COMMIT;"]))
        except sqlite3.OperationalError as err:
            connection.execute("ROLLBACK")
            raise StartError(str(err)) from err


def said(program: Program, frame: Any, *, is_wired: bool) -> Any:
    """Return a greeting as this program says it. Any: a frame."""
    if program.version == 1 or not isinstance(frame, Hello | HelloOk):
        return frame
    frame = msgspec.structs.replace(frame, version=program.version)
    if not is_wired:
        return frame
    kind = LaterHello if isinstance(frame, Hello) else LaterHelloOk
    return kind(**{name: getattr(frame, name) for name in frame.__struct_fields__})


def later_frame(*, is_wired: bool) -> Any:
    """Return tomorrow's frame, as bytes of it are read today where there are none."""
    return LaterFrame() if is_wired else Unknown(LATER)


def is_later(what: object) -> bool:
    """Whether this is tomorrow's frame."""
    return isinstance(what, Unknown) and what.kind == LATER


def give_sample(tx: sqlite3.Connection, own: Replica, sample_id: str, sku: str, qty: int, *, location: str) -> Dot:
    """The newer program's own write job: a sample is given once. Return where it stands."""
    there = tx.execute(
        """
        SELECT store, incarnation, seq FROM sample JOIN replica ON replica.id = sample.replica WHERE sample_id = ?
        """,
        (sample_id,),
    ).fetchone()
    if there is not None:
        return Dot(f"{there[0]}:{there[1]}", SAMPLES, there[2])
    effects = (StockEffect(sku, location, -qty),)
    dot = record_fact(tx, own, SAMPLE, SampleRow(sample_id=sample_id, qty=qty, stock=effects))
    apply_effects(tx, effects)
    return dot


@cache
def older(features: tuple[str, ...], *, is_earlier: bool = False) -> Program:
    """Return today's program with these features, and with the earlier rule of two rows of one life."""
    today, _ = _programs()
    names = today.names | {(session, "FEATURES"): features}
    if is_earlier:
        names |= {(store_facts, "standing"): earlier_standing}
    return replace(today, name="older", features=features, names=names)


def earlier_standing(one: FactDot, other: FactDot, sealed: Mapping[str, int] = MappingProxyType({})) -> FactDot:
    """Return whose row stands of two under one key, as hubs had it once: of one life the earlier."""
    return min(one, other) if one.rep == other.rep else standing(one, other, sealed)


def newer() -> Program:
    """Return tomorrow's program."""
    return _programs()[1]


def today() -> Program:
    """Return the program that all other runs are of."""
    return _programs()[0]


@cache
def _programs() -> tuple[Program, Program]:
    """Today's program, read out of its modules, and tomorrow's; first called while today's is in place."""
    now = Registry(REGISTRY.entities)
    later = Registry((*(each for each in now.entities if each.name != PRODUCT.name), PRODUCT, SAMPLE))
    features = (*FEATURES, LATER)
    values_of, product_row = product_rows._values, registers.product_row

    def written(product: Goods, n: int, *, gone: bool = False) -> registers.ProductRow:
        row = product_row(product, n, gone=gone)
        return msgspec.structs.replace(row, origin=origin_of(product.sku, product.name.en))

    names: dict[tuple[Any, str], Any] = {
        (session, "VERSION"): 2,
        (session, "FEATURES"): features,
        (registers, "ProductRow"): ProductRow,
        (registers, "_decoder"): msgspec.json.Decoder(ProductRow | registers.PriceRow),
        (catalogue, "product_row"): written,
        (hub_catalogue, "PRODUCT"): PRODUCT,
        (hub_catalogue, "read_plain"): lambda _rows, *, currency: None,
        (scopes, "PRODUCT"): PRODUCT,
        (product_rows, "ProductRow"): ProductRow,
        (product_rows, "_SAID"): (*(column.name for column in PRODUCT.columns), "n", "replica", "seq", "gone"),
        (product_rows, "_values"): lambda row: (*values_of(row), row.origin),
        (books, "LOGS"): {*books.LOGS, SAMPLES},
        (siblings, "PASSED_ON"): siblings.PASSED_ON | {SAMPLES},
        (relay, "PASSED_ON"): (*relay.PASSED_ON, SAMPLES),
        (rows, "_READERS"): {stream: rows._Reader(entities) for stream, entities in later.streams.items()},
        (facts, "SUMMED"): facts.SUMMED | {SAMPLES},
        (store_facts, "standing"): standing,
    }
    names |= {(module, "fingerprint"): lambda *_: "newer" for module in (store_rows, hub_catalogue, facts, adopting)}
    today = {(module, name): getattr(module, name) for module, name in names}
    return Program("today", now, names=today), Program("newer", later, 2, features, names)


def origin_of(sku: str, name: str) -> str:
    """Where a product comes from, as the newer program of head office says it."""
    return f"{sku} of {blake2b(name.encode(), digest_size=4).hexdigest()}"


_using: list[Program | None] = [None]
