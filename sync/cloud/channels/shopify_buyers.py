"""Shopify: who has bought. Pure.

    customer            null for guests and at a POS; its id names it for good
    email, phone        customer's, else the order's, else `contact_email`, else the billing address's. The shipping address may
                        be a friend's: its telephone counts only where it names the buyer, or nobody else does
    consent             `subscribed` is a yes, `unsubscribed` a no; of e-mail and SMS the no wins. `not_subscribed`, `pending` and
                        what is missing say nothing; nor does a ticked box (buyer_accepts_marketing): it may have to be confirmed

Source: shopify.dev, REST Admin API, Order and Customer; since 2025-01 the customer of a webhook carries no consent, which comes
by the topics customers_email_marketing_consent/update and customers_marketing_consent/update.
"""

from collections.abc import Mapping
from typing import Any, Literal

from sync.cloud.channels.buyers import country, email, full_name, known, loosely, moment_ms, part, phone, text
from sync.cloud.channels.said import Buyer, ConsentSaid

Choice = Literal["", "in", "out"]
_CHOICES: Mapping[str, Choice] = {"subscribed": "in", "unsubscribed": "out"}


def buyer_of(order: Mapping[str, Any]) -> tuple[Buyer | None, tuple[str, ...]]:
    """Return who bought, None for a guest who has left nothing, and what is not of its shape. Any: JSON."""
    who, billing, shipping = (part(order.get(name)) for name in ("customer", "billing_address", "shipping_address"))
    own = text(billing.get("name")) or full_name(who.get("first_name"), who.get("last_name"))
    is_own = not own or text(shipping.get("name")) == own
    choice, chosen_ms = choice_of(who.get("email_marketing_consent"), who.get("sms_marketing_consent"))
    buyer = Buyer(
        customer_id=text(who.get("id")),
        name=full_name(who.get("first_name"), who.get("last_name"))
        or text(billing.get("name"), 60)
        or (text(shipping.get("name"), 60) if is_own else ""),
        phone=phone(
            *(who.get("phone"), order.get("phone"), billing.get("phone")), shipping.get("phone") if is_own else None
        ),
        email=email(who.get("email"), order.get("email"), order.get("contact_email")),
        region=country(billing.get("country_code"), shipping.get("country_code")),
        choice=choice,
        chosen_ms=chosen_ms,
    )
    said = order.get("customer")
    return known(buyer), ("customer",) if said is not None and not text(who.get("id")) else ()


def consent_of(body: bytes) -> tuple[ConsentSaid, ...]:
    """Return the word that a webhook about a customer's consent says; nothing where it says none."""
    told = loosely(body)
    customer_id = text(told.get("customer_id")) or text(told.get("id"))
    choice, chosen_ms = choice_of(told.get("email_marketing_consent"), told.get("sms_marketing_consent"))
    return (ConsentSaid(customer_id, choice, chosen_ms),) if customer_id and choice else ()


def choice_of(*consents: object) -> tuple[Choice, int]:
    """Return what states of consent come to, and when that was said: a no wins, then the newest yes."""
    told = [
        (_CHOICES.get(text(part(each).get("state"))), moment_ms(part(each).get("consent_updated_at")))
        for each in consents
    ]
    for wanted in ("out", "in"):
        when = [at_ms for choice, at_ms in told if choice == wanted]
        if when:
            return wanted, max(when)
    return "", 0
