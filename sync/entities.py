"""The entities there are: every declaration of sync.retail, found by itself, in the order in which streams are sent.

Not here: any declaration. A module of sync.retail, in whichever room, that holds an `Entity` is all it takes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pkgutil import walk_packages
from types import ModuleType

from sync import retail
from sync.kinds import Entity, PassedOn, check_all
from sync.model import Feed


@dataclass(frozen=True, eq=False)
class Registry:
    """Declarations that go together."""

    entities: tuple[Entity, ...]

    def __post_init__(self) -> None:
        check_all(self.entities)

    @cached_property
    def streams(self) -> dict[str, tuple[Entity, ...]]:
        """Entities by stream, urgent streams first; of two, one whose facts the other's name, so that causes go before."""
        grouped: dict[str, list[Entity]] = {}
        for each in self.entities:
            grouped.setdefault(each.stream, []).append(each)
        order = sorted(
            grouped, key=lambda name: (min(each.priority for each in grouped[name]), self._depth(name), name)
        )
        return {name: tuple(grouped[name]) for name in order}

    @cached_property
    def feeds(self) -> dict[str, Feed]:
        """How each stream ships."""
        return {name: entities[0].feed for name, entities in self.streams.items()}

    @cached_property
    def by_name(self) -> dict[str, Entity]:
        """Entities by name."""
        return {each.name: each for each in self.entities}

    @cached_property
    def tables_with_effects(self) -> dict[str, tuple[str, ...]]:
        """Tables of facts that may move stock, by stream."""
        tables = {name: tuple(each.table for each in group if each.has_effects) for name, group in self.streams.items()}
        return {name: found for name, found in tables.items() if found}

    def passed_on(self, *whom: PassedOn) -> frozenset[str]:
        """Return the streams that are told any of these."""
        return frozenset(each.stream for each in self.entities if each.told_to in whom)

    def of(self, stream: str) -> tuple[Entity, ...]:
        """Return the entities of a stream, none for one that is not known here."""
        return self.streams.get(stream, ())

    def _depth(self, stream: str, above: tuple[str, ...] = ()) -> int:
        named = {
            other.stream
            for each in self.entities
            if each.stream == stream
            for name in each.names
            for other in self.entities
            if other.name == name.entity and other.stream not in (stream, *above)
        }
        return 1 + max((self._depth(other, (stream, *above)) for other in named), default=-1)


def declared(package: ModuleType) -> Iterator[Entity]:
    """Yield the declarations in the modules of a package and its rooms, by path of module, in their order there."""
    for module in sorted(walk_packages(package.__path__, f"{package.__name__}."), key=lambda found: found.name):
        values = vars(import_module(module.name)).values()
        yield from (value for value in values if isinstance(value, Entity))


REGISTRY = Registry(tuple(dict.fromkeys(declared(retail))))
FEED_OF_STREAM = REGISTRY.feeds
