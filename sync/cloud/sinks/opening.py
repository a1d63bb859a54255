"""The sinks of a configuration, each with its pump: the one list of the kinds that there are."""

import importlib.util
import random

from sync.cloud.handing.news import News
from sync.cloud.handing.settings import SinkSettings
from sync.cloud.sinks.postgres import PostgresSink
from sync.cloud.sinks.pump import Pump, sink_metrics
from sync.cloud.store import CloudStore
from sync.errors import StartError

KINDS = {"postgres": PostgresSink}
NEEDS = {"postgres": "asyncpg"}


def pumps(
    sinks: tuple[SinkSettings, ...], books: CloudStore, news: News, *, rng: random.Random
) -> list[tuple[str, Pump]]:
    """Return a pump for each sink, with its name; raise StartError where a kind's library is not there."""
    metrics = sink_metrics(books) if sinks else None
    made = []
    for each in sinks:
        if importlib.util.find_spec(NEEDS[each.kind]) is None:
            raise StartError(f"sink {each.name}: {NEEDS[each.kind]} is not installed; install store-hub[cloud]")
        assert metrics is not None
        sink = KINDS[each.kind](each.name, each.dsn, each.schema)
        made.append((each.name, Pump(books, news, sink, each.streams, metrics=metrics, rng=rng)))
    return made
