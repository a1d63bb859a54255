"""What can be done, what can go wrong and who judges: one file each in actions/, faults/ and auditors/, found by their folder.

An action has `WEIGHT` and `act(world) -> bool` (False: there was nothing to do it to); `is_for(world)`, if there is one, says
in which runs there is such a thing. A fault has `WEIGHT`, optionally
`IS_FORK = True`, `MEETS`, the names under which the victim feels it, and `strike(world) -> bool`; it takes itself back by
`world.until_healed`, and `world.meet(name)` is called where it is felt. An auditor is a class `Auditor(world)` with any
`on_<event>` methods and `check() -> Iterator[str]`, what is wrong at the end.
"""

import importlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.sim.world import World


@cache
def _modules(folder: str) -> tuple[Any, ...]:  # Any: modules
    names = sorted(path.stem for path in (Path(__file__).parent / folder).glob("*.py"))
    return tuple(importlib.import_module(f"tests.sim.{folder}.{name}") for name in names)


def name_of(module: Any) -> str:
    """A plugin's name is its file's."""
    return str(module.__name__).rpartition(".")[2]


def auditors() -> list[Any]:
    """The auditors' classes."""
    return [module.Auditor for module in _modules("auditors")]


def fault_kinds() -> list[tuple[str, bool]]:
    """Every fault and whether it is a fork."""
    return [(name_of(module), getattr(module, "IS_FORK", False)) for module in _modules("faults")]


def effects_of_faults() -> list[str]:
    """What must be felt somewhere in a few hundred seeds, forks aside."""
    kinds = [module for module in _modules("faults") if not getattr(module, "IS_FORK", False)]
    return [name for module in kinds for name in getattr(module, "MEETS", ())]


def act(world: "World") -> bool:
    """Do one drawn operation."""
    modules = [each for each in _modules("actions") if not hasattr(each, "is_for") or each.is_for(world)]
    chosen = world.rng.choices(modules, [module.WEIGHT for module in modules])[0]
    if not chosen.act(world):
        return False
    world.done[name_of(chosen)] += 1
    return True


def strike(world: "World") -> None:
    """Let one drawn fault of this run strike."""
    modules = [module for module in _modules("faults") if name_of(module) in world.options.faults]
    if not modules:
        return
    chosen = world.rng.choices(modules, [module.WEIGHT for module in modules])[0]
    if chosen.strike(world):
        world.tried[name_of(chosen)] += 1
        world.note("fault", name_of(chosen))
