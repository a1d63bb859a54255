"""An import of a joined store: products and prices go to the cloud, which keeps them; opening stock to the hub, which counts it.

What was sent stays sent when the line breaks; the same command again sends all of it, and what is there already changes nothing.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

from hub.api.control import BATCH_MAX
from hub.client import CloudClient, HubClient, ProblemError, UnreachableError
from hub.config import Config
from hub.errors import HubError, RefusedError
from hub.store.catalogue.products import Opening, Put
from hub.store.model import Entry
from sync.errors import StartError

Progress = Callable[[str], None]
T = TypeVar("T")


class NotAllSentError(HubError):
    """The cloud took a part of the import, the message says how much; the same command again sends the rest."""


def check_joined(config: Config, entries: Sequence[Entry]) -> None:
    """Raise StartError or RefusedError before anything is sent when something is missing that the import needs."""
    assert config.cloud is not None
    if not config.cloud.url or not config.cloud.import_token:
        missing = "url" if not config.cloud.url else "import_token (an office token of the cloud)"
        raise RefusedError(
            "joined",
            f"this store is joined: the cloud keeps its products and prices, and [cloud] {missing} is not set. "
            "Set it, or import with --cloud URL --cloud-token-file FILE; nothing was written",
        )
    if openings(entries) and not config.is_running():
        raise StartError(
            f"the file has opening stock, which the hub books, and no hub runs on {config.data_dir}; "
            "start it with `storehub run`; nothing was written"
        )


async def send_products(url: str, token: str, entries: Sequence[Entry], *, progress: Progress) -> Put:
    """Send products and prices to the cloud; raise NotAllSentError when it does not take them all."""
    total = Put()
    sent = 0
    async with CloudClient(url, token) as cloud:
        for batch in batches(entries):
            try:
                total = add(total, await cloud.put_products(batch))
            except (UnreachableError, ProblemError) as err:
                remedy = "" if isinstance(err, ProblemError) else "; see that the line is up and run the command again"
                raise NotAllSentError(err.code, f"{err.detail}: {_so_far(sent, len(entries))}{remedy}") from err
            sent += len(batch)
            progress(f"{sent} of {len(entries)} products sent")
    return total


async def book_openings(config: Config, entries: Sequence[Entry]) -> int:
    """Book opening stock of what never moved at this store but by sales; return how many SKUs got theirs just now."""
    booked = 0
    wanted = openings(entries)
    if not wanted:
        return 0
    async with HubClient("http://hub", unix_socket=config.control_socket) as hub:
        for batch in batches(wanted):
            try:
                booked += await hub.open_stock(batch)
            except (UnreachableError, ProblemError) as err:
                done = f"the cloud has taken all products; the hub has booked {booked} opening stocks and then failed"
                raise NotAllSentError(err.code, f"{done}: {err.detail}; run the command again") from err
    return booked


def openings(entries: Iterable[Entry]) -> list[Opening]:
    """Return the opening stock that stands in a file."""
    return [Opening(entry.product.sku, entry.stock) for entry in entries if entry.stock]


def batches(items: Iterable[T]) -> Iterator[list[T]]:
    """Return items in lists as long as one write job takes."""
    rest = iter(items)
    while batch := list(islice(rest, BATCH_MAX)):
        yield batch


def add(one: Put, other: Put) -> Put:
    """Return what two batches did together."""
    return Put(
        one.created + other.created,
        one.updated + other.updated,
        one.unchanged + other.unchanged,
        one.gtins_taken + other.gtins_taken,
    )


def _so_far(sent: int, wanted: int) -> str:
    return f"the cloud has taken {sent} of {wanted} products" if sent else "nothing was written"
