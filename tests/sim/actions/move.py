"""Goods come to a shop, are corrected, or go from one shop to another: one SKU by itself, or a document.

What is a document is drawn apart, so that a seed's other draws stay as they were.
"""

import json
import random
from typing import TYPE_CHECKING, Any

from hub.api.catalogue.catalogue import post_movement
from hub.api.stock.documents import DocumentLine, DocumentRequest, post_document
from hub.store.stock.stock import Movement

if TYPE_CHECKING:
    from tests.sim.client import Client
    from tests.sim.world import World

WEIGHT = 3
DOCUMENT_PCT = 40


def act(world: "World") -> bool:
    """Move one product, or a few."""
    rng = world.rng
    room = rng.choice(world.people.stockrooms)
    known = room.home.disk.rows("SELECT sku FROM product WHERE stocked = 1 ORDER BY sku")
    if not known:
        return False
    key = room.new_id("move")
    qty = rng.choice((rng.randint(1, 40), rng.randint(1, 40), -rng.randint(1, 5)))
    movement = Movement(key, rng.choice(known)[0], qty, "receive" if qty > 0 else "adjust")
    apart = random.Random(f"document {key} {movement.sku} {qty}")
    if apart.randrange(100) < DOCUMENT_PCT:
        room.ask("movement", key, post_document, _document(world, room, apart, key, movement))
    else:
        room.ask("movement", key, post_movement, movement)
    return True


def _document(world: "World", room: "Client", rng: random.Random, key: str, movement: Movement) -> DocumentRequest:
    if movement.qty < 0:
        return DocumentRequest(key, "adjust", (DocumentLine(movement.sku, movement.qty),), cause="damage")
    others = sorted({hub.store for hub in world.hubs} - {room.home.store})
    sent = room.home.disk.rows("SELECT body FROM transfer WHERE receiver = ? ORDER BY transfer_id", room.home.store)
    kind = rng.choice(("receive", "transfer_out", "transfer_in"))
    if kind == "transfer_in" and sent:
        return _arrival(rng, key, rng.choice(sent)[0])
    lines = [DocumentLine(movement.sku, movement.qty, expected=rng.choice((None, movement.qty + 1)))]
    if kind == "transfer_out" and others:
        out = DocumentLine(movement.sku, rng.randint(1, 3))
        return DocumentRequest(key, "transfer_out", (out, DocumentLine("UNHEARD-OF", 1)), to=rng.choice(others))
    return DocumentRequest(key, "receive", (*lines, DocumentLine("UNHEARD-OF", rng.randint(1, 9))))


def _arrival(rng: random.Random, key: str, body: Any) -> DocumentRequest:
    sent = json.loads(body)
    lines = tuple(DocumentLine(sku, max(0, qty - rng.randrange(2))) for sku, qty in sent["lines"])
    return DocumentRequest(key, "transfer_in", lines, transfer=sent["transfer_id"], partial=rng.random() < 0.3)
