"""The hubs of a store as tills are told them: where each is, and at which one tills are to be now.

    preferred   what was said last (`storehub standby promote`), at either hub; the followed one where nobody said anything
    first       the preferred hub, unless it is the other one and cannot have tills: then this one
    can         its line to this hub is up, for SETTLED_S where it was lost since this hub runs, and it holds all but
                BEHIND_MAX of what was sold here

So each hub says from where it stands: a till that reaches a hub is told to stay or to go on, and a hub that comes back has its
tills again once it has caught up. Both sell whoever comes. Not here: the exchange (hub.following.beside), the route
(hub.api.replica.hubs).
"""

import asyncio
from collections.abc import Callable, Mapping
from sqlite3 import Connection

from msgspec import Struct

from hub.config import Config
from hub.replication import Replication
from hub.store.replica.beside import FOLLOWED, Card, Preference, Role, cards, keep_card, preference, take_preference
from hub.tokens import Tokens
from sync.batch import START
from sync.db import Database
from sync.model import Stream
from sync.store.streams import stream_heads

SETTLED_S = 30.0  # a hub that comes and goes does not drag the tills along
BEHIND_MAX = 100  # sales: what both have on their way while the shop sells
LOOK_EVERY_S = 1.0


class HubView(Struct, frozen=True):
    """A hub. `is_up`: it answers, as far as the hub that was asked can see; `is_first`: tills are to be here now."""

    rep: str
    role: Role
    urls: tuple[str, ...]
    ca_sha256: str
    is_here: bool
    is_up: bool
    is_first: bool


class HubList(Struct, frozen=True):
    """The hubs of the store, the one to be at first; one where there is no other."""

    items: tuple[HubView, ...]


class StandbyReport(Struct, frozen=True):
    """What an operator wants to know before and after tills go over. `differs`: sections that do not say the same at both hubs.

    `behind_here`: sales of the other hub that are not here yet, `behind_there` those of this one that are not there; None where
    that is not known. `clashes`: names that two clients have, who were paired before the hubs met.
    """

    hubs: HubList
    preferred: Role
    differs: tuple[str, ...]
    clashes: tuple[str, ...]
    behind_here: int | None
    behind_there: int | None


class Hubs:
    """Both hubs, from where this one stands. `on_change` is told the list when it has changed."""

    def __init__(
        self,
        db: Database,
        config: Config,
        replication: Replication,
        tokens: Tokens,
        *,
        own_urls: Callable[[], tuple[str, ...]],
        own_ca: Callable[[], str],
        on_change: Callable[[HubList], None],
    ) -> None:
        self._db, self._config, self._replication, self._tokens = db, config, replication, tokens
        self._own_urls, self._own_ca, self._on_change = own_urls, own_ca, on_change
        self._seen_up: dict[str, int] = {}  # how many looks in a row the line to a hub was up, by its life
        self._lost: set[str] = set()  # to whom it was lost since
        self.clashes: tuple[str, ...] = ()
        self.told_heads: dict[str, int] = {}  # the other hub's newest sale by its own word, by life

    def role(self) -> Role:
        """Which of the two this hub is."""
        return "follows" if self._config.follows else FOLLOWED

    def card(self) -> Card:
        """Return what this hub says of itself."""
        rep = self._replication.books.rep
        return Card(rep, self.role(), self._own_urls(), self._own_ca(), self._config.same_at_both)

    def others(self) -> Mapping[str, Card]:
        """Return the cards of the other hubs that are paired still."""
        known = cards(self._db.read)
        is_good = self._tokens.client
        return {client: card for client, card in known.items() if self._is_known(client, is_good(client) is not None)}

    def view(self) -> HubList:
        """Return the hubs as they are now."""
        mine, others = self.card(), self.others()
        up, role = self._replication.standby.peers_up(), preference(self._db.read).role
        can = [card.rep for card in others.values() if card.role == role and role != mine.role and self._can(card.rep)]
        first = min(can, default=mine.rep)
        own = HubView(mine.rep, mine.role, mine.urls, mine.ca_sha256, True, True, mine.rep == first)
        beside = [
            HubView(card.rep, card.role, card.urls, card.ca_sha256, False, card.rep in up, card.rep == first)
            for card in others.values()
            if card.rep != mine.rep
        ]
        return HubList(tuple(sorted((own, *beside), key=lambda each: (not each.is_first, not each.is_here, each.rep))))

    def report(self) -> StandbyReport:
        """Return what an operator wants to know."""
        mine, others = self.card(), self.others().values()
        differs = {
            name for card in others for name, digest in card.settings.items() if mine.settings.get(name) != digest
        }
        held = self._replication.standby.books.vector("")
        here = [max(0, head - held.get((rep, Stream.SALES), START).last) for rep, head in self.told_heads.items()]
        return StandbyReport(
            self.view(),
            preference(self._db.read).role,
            tuple(sorted(differs)),
            self.clashes,
            sum(here) if here else None,
            self._behind_there() if others else None,
        )

    async def prefer(self, *, here: bool) -> Preference:
        """Say which hub tills are to be at from now on."""
        role: Role = FOLLOWED if here is (self.role() == FOLLOWED) else "follows"
        known = preference(self._db.read)
        if known.role == role:
            return known
        return await self._db.write(lambda tx: take_preference(tx, Preference(known.n + 1, role)))

    async def hear(self, client: str, card: Card, said: Preference, *, sales: int) -> None:
        """Take what another hub says of itself."""
        up = self._replication.standby.peers_up()
        self.told_heads = {rep: n for rep, n in self.told_heads.items() if rep in up} | {card.rep: sales}
        known = preference(self._db.read)
        if cards(self._db.read).get(client) == card and said == known:
            return

        def keep(tx: Connection) -> None:
            keep_card(tx, client, card)
            take_preference(tx, said)

        await self._db.write(keep)

    async def run(self) -> None:
        """Tell of what changes, until cancelled; a hub alone looks whether it still is, and no further."""
        known, had_others = self.view(), False
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            up = self._replication.standby.peers_up()
            self._lost |= self._seen_up.keys() - up
            self._seen_up = {rep: self._seen_up.get(rep, 0) + 1 for rep in up}
            has_others = bool(self.others())
            if not has_others and not had_others:
                continue
            now, had_others = self.view(), has_others
            if now != known:
                known = now
                self._on_change(now)

    def own_sales(self) -> int:
        """Return this hub's newest sale."""
        return stream_heads(self._db.read, self._replication.books.replica)[Stream.SALES]

    def _is_known(self, client: str, is_paired: bool) -> bool:
        return self._config.follows is not None if client == FOLLOWED else is_paired

    def _can(self, rep: str) -> bool:
        looks = self._seen_up.get(rep, 0)
        is_settled = looks * LOOK_EVERY_S >= (SETTLED_S if rep in self._lost else 0.0)
        return looks > 0 and is_settled and self._behind_there() <= BEHIND_MAX

    def _behind_there(self) -> int:
        return max(0, self.own_sales() - self._replication.books.holders.beside.get(Stream.SALES, 0))
