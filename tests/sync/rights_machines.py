"""A shop and the cloud on real files, joined by real sessions; a machine dies at any statement and starts again."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar
from unittest.mock import patch

from hub.app import open_hub
from hub.config import parse_config
from hub.migrations import MIGRATIONS
from hub.rights import Rights
from hub.runtime import Runtime
from hub.store.catalogue.products import put_products
from hub.store.model import Entry
from hub.store.stock.rights import Rule
from sync import failpoints
from sync.cloud.config import parse_cloud_config
from sync.cloud.main import open_cloud
from sync.cloud.migrations import MIGRATIONS as CLOUD_MIGRATIONS
from sync.cloud.rights.contact import Contact
from sync.cloud.store import CloudBooks
from sync.cloud.web.http import Cloud
from sync.retail.catalogue.catalogue import Price, Product
from sync.retail.names import Name
from sync.retail.stock.rebalance import Policy
from sync.testing.sim_database import Crash, SimDatabase, run_now
from tests.sim.disk import Disk, new_file
from tests.sync.test_session import End2End

STORE, SKU = "hk01", "TEA-01"
T = TypeVar("T")


class Machines:
    """A hub that knows one product, a cloud with its policy, and the line between them while there is one."""

    def __init__(self, policy: Policy, *, seed: int = 0, crash_every: int = 0) -> None:
        self.rng = random.Random(seed)
        self.rule, self.policy = Rule(policy=policy), policy
        self.crash_every = crash_every
        self.crashes = 0
        self.now_ms = 1_790_000_000_000
        self.hub_disk, self.cloud_disk = Disk(new_file(MIGRATIONS)), Disk(new_file(CLOUD_MIGRATIONS))
        self.config = parse_config(
            {"store": {"id": STORE, "name_zh_hant": STORE, "name_en": STORE, "currency": "HKD"}}, base=Path("/")
        )
        self.cloud_config = parse_cloud_config({}, base=Path("/"))
        self.line: End2End | None = None
        self.open_cloud()
        self.open_hub()
        run_now(
            self.hub.db.write(
                lambda tx: put_products(
                    tx,
                    self.hub.replica,
                    [Entry(Product(sku=SKU, name=Name(en=SKU)), Price(100, "HKD"))],
                    location="shop",
                    now_ms=self.now_ms,
                )
            )
        )

    def open_hub(self) -> None:
        with tokens(self.rng):
            self.hub: Runtime = run_now(open_hub(self.config, SimDatabase(self.hub_disk.connection), now_ms=self._now))
        self.rights = Rights(self.hub.db, self.hub.shop, self.rule, own=lambda: self.hub.replica, now_ms=self._now)
        self.line = None

    def open_cloud(self) -> None:
        with tokens(self.rng):
            self.cloud: Cloud = run_now(
                open_cloud(self.cloud_config, SimDatabase(self.cloud_disk.connection), now_ms=self._now)
            )
        self.contact = Contact(self.cloud.books, {STORE: self.policy})  # as wired, with this policy
        self.line = None

    def _now(self) -> int:
        return self.now_ms

    @property
    def me(self) -> str:
        return self.hub.replica.rep

    @property
    def cloud_rep(self) -> str:
        return self.cloud.books.replica.rep

    def do(self, deed: Callable[[], T]) -> T:
        """Do something at both machines; one that dies is started again, and whoever asked asks again."""
        if not self.crash_every or self.rng.randrange(self.crash_every):
            return deed()
        disk = self.rng.choice((self.hub_disk, self.cloud_disk))
        disk.cut_after(self.rng.randint(0, 60))
        try:
            with _dying(self.rng.randint(0, 12)) if self.rng.random() < 0.5 else tokens(self.rng):
                return deed()
        except Crash:
            self.crashes += 1
        finally:
            self.hub_disk.settle()
            self.cloud_disk.settle()
        self.open_hub()
        self.open_cloud()
        return deed()

    def connect(self) -> End2End:
        with tokens(self.rng):
            self.line = End2End(self.hub.replication.books, CloudBooks(self.cloud.books, STORE))  # type: ignore[arg-type]
        return self.line

    def open_at_cloud(self) -> list[str]:
        return [row[0] for row in self.cloud_disk.rows("SELECT promise_id FROM promise WHERE ending = ''")]

    def ending_at_cloud(self, promise_id: str) -> str:
        rows = self.cloud_disk.rows("SELECT ending FROM promise WHERE promise_id = ?", promise_id)
        return str(rows[0][0]) if rows else ""

    def _granted_by_hub(self) -> dict[str, int]:
        return dict(
            self.hub_disk.rows(
                "SELECT taker, granted FROM stock_grant WHERE giver = ? AND sku = ? ORDER BY taker", self.me, SKU
            )
        )


@contextmanager
def tokens(rng: random.Random) -> Iterator[None]:
    """Names of lives are drawn from it."""
    with patch("secrets.token_hex", lambda count: rng.randbytes(count).hex()):
        yield


@contextmanager
def _dying(at: int) -> Iterator[None]:
    left = [at]

    def hit(name: str) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Crash(name)

    with patch.object(failpoints, "hit", hit):
        yield
