"""What the store's other hub has said of itself, and which of the two tills are to prefer. Functions of a write job, and reads.

    card         kept, so that tills are told where the other hub is while that one is down
    preference   the larger n is the later word; of two words of one n, which two people gave while the line between the hubs was
                 cut, the one for the followed hub stands

Not here: at which hub tills are to be now (hub.standby.hubs), telling (hub.following.beside).
"""

from sqlite3 import Connection
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from sync.batch import Rep

FOLLOWED: Final = "followed"  # under which name the hub that this one follows is kept
Role = Literal["followed", "follows"]
_NO_TEXT = r"^[^\x00-\x20\x7f]+\Z"


class Card(Struct, frozen=True):
    """How a hub is reached and known. `settings`: a digest of each section that has to say the same at both hubs."""

    rep: Rep
    role: Role
    urls: Annotated[tuple[Annotated[str, Meta(max_length=200, pattern=_NO_TEXT)], ...], Meta(max_length=40)] = ()
    ca_sha256: Annotated[str, Meta(pattern=r"^([0-9a-f]{64})?\Z")] = ""
    settings: Annotated[
        dict[Annotated[str, Meta(max_length=40)], Annotated[str, Meta(max_length=16)]], Meta(max_length=40)
    ] = {}


class Preference(Struct, frozen=True):
    """Which hub tills are to be at, if it can have them."""

    n: Annotated[int, Meta(ge=0, le=2**53)]
    role: Role


_card = msgspec.json.Decoder(Card)


def cards(read: Connection) -> dict[str, Card]:
    """Return the cards of the store's other hubs, by the client that each is here."""
    return {
        client: _card.decode(card)
        for client, card in read.execute("SELECT client, card FROM hub_beside ORDER BY client").fetchall()
    }


def keep_card(tx: Connection, client: str, card: Card) -> None:
    """Keep what a hub says of itself now."""
    tx.execute(
        """
        INSERT INTO hub_beside (client, card) VALUES (?, ?)
        ON CONFLICT (client) DO UPDATE SET card = excluded.card WHERE card <> excluded.card
        """,
        (client, msgspec.json.encode(card, order="sorted").decode()),
    )


def forget_card(tx: Connection, client: str) -> None:
    """A hub is none of this store any more."""
    tx.execute("DELETE FROM hub_beside WHERE client = ?", (client,))


def preference(read: Connection) -> Preference:
    """Return the preference that stands; the followed hub where nobody ever said anything."""
    row = read.execute("SELECT n, role FROM preferred_hub WHERE id = 1").fetchone()
    return Preference(*row) if row else Preference(0, FOLLOWED)


def take_preference(tx: Connection, said: Preference) -> Preference:
    """Keep a preference if it is the later one; return the one that stands."""
    known = preference(tx)
    if (said.n, said.role == FOLLOWED) <= (known.n, known.role == FOLLOWED):
        return known
    tx.execute(
        """
        INSERT INTO preferred_hub (id, n, role) VALUES (1, ?, ?)
        ON CONFLICT (id) DO UPDATE SET n = excluded.n, role = excluded.role
        """,
        (said.n, said.role),
    )
    return said
