"""Customers who want to be forgotten, or to know what is held of them, and a shop that has gone. Functions of a write job.

    a customer is forgotten    whom the channel's number names, and who bought the named orders unless the channel knows them by
                               another number: erased as head office erases a person. What was received of the orders, kept
                               deliveries that name them and a word that waits go too
    a customer asks            one line for head office, which exports and answers
    the shop has gone          what was received of it, and its words that wait; its customers stay the retailer's members, a line
                               says so

An e-mail or a telephone alone names nobody here: it may be another's. All of it again is the same. Not here: how a person is
erased (sync.cloud.persons.erasure), cutting the write-ahead log after the commit (sync.cloud.channels.channels).
"""

import json
import logging
from contextlib import suppress

from sync.cloud.channels.buyers import loosely, part, text
from sync.cloud.channels.buying import customer_kind
from sync.cloud.channels.exceptions import Raised, raise_one
from sync.cloud.channels.jobs import Job
from sync.cloud.channels.said import DataAsked, Forget
from sync.cloud.persons.erasure import erase
from sync.cloud.persons.joining import find
from sync.cloud.persons.people import identities_of, person_ids
from sync.errors import BusyError, RuleError

ORDERS_SHOWN = 20

log = logging.getLogger(__name__)


def forget_customer(job: Job, said: Forget) -> None:
    """Erase who is meant, and empty what was received; BusyError (clock_range) while our clock was never set."""
    orders = json.dumps(said.channel_order_ids)
    try:
        done = [erase(job.tx, job.own, each, now_ms=job.now_ms) for each in _persons(job, said, orders)]
    except RuleError as err:
        raise BusyError(err.code, err.detail) from err
    name = job.channel.name
    job.tx.execute(
        """
        UPDATE channel_order SET body = ?
        WHERE channel = ? AND channel_order_id IN (SELECT value FROM json_each(?)) AND length(body) > 0
        """,
        (b"", name, orders),
    )
    _empty_deliveries(job, said)
    job.tx.execute("DELETE FROM channel_word WHERE channel = ? AND customer_id = ?", (name, said.customer_id))
    job.tx.execute("DELETE FROM channel_exception WHERE channel = ? AND subject = ?", (name, _asked(said.customer_id)))
    erased = sum(is_new for _, is_new in filter(None, done))
    log.info("a channel's customer was forgotten", extra={"channel": name, "persons": erased})


def forget_shop(job: Job) -> None:
    """Empty what was received of a shop, and say that its customers are members still."""
    name = job.channel.name
    job.tx.execute("UPDATE channel_order SET body = ? WHERE channel = ? AND length(body) > 0", (b"", name))
    job.tx.execute("UPDATE channel_exception SET body = ? WHERE channel = ? AND length(body) > 0", (b"", name))
    job.tx.execute("DELETE FROM channel_word WHERE channel = ?", (name,))
    raise_one(job.tx, name, Raised(subject="shop:gone", code="channel_shop_redact", detail=name), now_ms=job.now_ms)
    log.warning("a shop has gone; what was received of it is emptied", extra={"channel": name})


def note_data_asked(job: Job, said: DataAsked) -> None:
    """Put on the list that a customer wants to know what is held: one line a customer, opened again by another request."""
    orders = said.channel_order_ids
    named = ", ".join(orders[:ORDERS_SHOWN]) + (
        f" and {len(orders) - ORDERS_SHOWN} more" * (len(orders) > ORDERS_SHOWN)
    )
    detail = f"request {said.request_id or '?'}: customer {said.customer_id or '?'}" + f", orders {named}" * bool(
        orders
    )
    raised = Raised(subject=_asked(said.customer_id or said.request_id), code="channel_data_request", detail=detail)
    raise_one(job.tx, job.channel.name, raised, now_ms=job.now_ms)


def _persons(job: Job, said: Forget, orders: str) -> list[str]:
    """Return a member of each person that is meant; `orders` are JSON."""
    kind = customer_kind(job.channel.name)
    found: set[str] = set()
    if said.customer_id:
        with suppress(RuleError):
            found.update(find(job.tx, job.members, kind, said.customer_id))
    bought = job.tx.execute(
        """
        SELECT DISTINCT member_id FROM purchase
        WHERE channel = ? AND purchase_id IN (SELECT value FROM json_each(?)) AND member_id <> '' ORDER BY member_id
        """,
        (job.channel.name, orders),
    ).fetchall()
    for (member_id,) in bought:
        ids = person_ids(job.tx, member_id)
        if not any(of == kind for each in ids for _, of in identities_of(job.tx, each)):
            found.add(ids[0])
    return sorted(found)


def _empty_deliveries(job: Job, said: Forget) -> None:
    """Empty deliveries that nobody could read, where they name the customer or one of the orders."""
    name = job.channel.name
    kept = job.tx.execute(
        "SELECT subject, body FROM channel_exception WHERE channel = ? AND length(body) > 0 ORDER BY subject", (name,)
    ).fetchall()
    for subject, body in kept:
        told = loosely(body)
        orders = {text(told.get("id")), text(told.get("order_id"))} & set(said.channel_order_ids)
        customers = {text(part(told.get("customer")).get("id")), text(told.get("customer_id"))} - {""}
        if orders or said.customer_id in customers:
            job.tx.execute(
                "UPDATE channel_exception SET body = ? WHERE channel = ? AND subject = ?", (b"", name, subject)
            )


def _asked(customer_id: str) -> str:
    return f"data_request:{customer_id}"
