"""What a seed makes of a run: how long, how rough, which faults. Every value is drawn, and each can be set from the command line.

A run has a few kinds of fault, not all of them: rare ones show where common ones do not drown them ("swarm testing", Groce
et al. 2012). Forks, old and new programs, modes and a late hub are drawn together. `prunes` is drawn without forks; with them it
is set by hand, as not enough fresh seeds have been clean yet. Kept apart: a copied card beside the hub that the cloud
asks at one address (faults/cloned); a card and the cloud's disk, both of yesterday, or a card that is gone and such a disk
(faults/failed_over).
"""

import random
from dataclasses import dataclass, fields, replace
from typing import Any

DIALLING = ("realtime", "scheduled", "http")  # a store with two hubs has one address, so the cloud asks neither
MODES = (*DIALLING, "pull")
MODES_PCT = 30
VERSIONS_PCT = 30
STANDBY_PCT = 40
LATE_PCT = 10
PRUNES_PCT = 15  # of the runs without forks
LAST = ("faults", "has_versions", "modes", "joins_late", "prunes")  # drawn after the others
FORKS_PCT = 30  # have clones and restored backups


@dataclass(frozen=True, slots=True)
class Options:
    """How a run is."""

    seed: int
    operations: int = 220
    hubs: int = 3  # the first two are of one store
    is_wired: bool = False  # frames travel as bytes
    is_hostile: bool = False  # frames are doubled, dropped, swapped and changed inside a connection
    has_forks: bool = False  # clones, restored backups
    roams: bool = False  # a till that gets no answer asks the other hub of its store
    has_own_catalogue: bool = False  # the second store sold before it was joined
    commit_ms_max: int = 5
    way_ms_max: int = 80
    lost_answer_pct: int = 5
    slow_send_pct: int = 10  # of the frames keep their sender waiting
    regret_pct: int = 8  # of the customers bring something back on the spot
    heal_minutes: int = 45  # by then everything must be everywhere; the longest time-out in the product is five minutes
    prunes: bool = False  # hubs forget after seconds what they keep for days
    joins_late: bool = False  # the second hub is switched on when the shop has sold for a while
    faults: tuple[str, ...] = ()
    fault_every_ms: int = 8_000
    has_standby: bool = False  # the second hub follows the first
    has_versions: bool = False  # some machines run an older program for a while
    modes: tuple[
        str, ...
    ] = ()  # of the hubs in their order: realtime, scheduled, http, pull; of those beyond it realtime

    def shown(self) -> str:
        """As arguments of the command line."""
        return " ".join(f"--set {each.name}={_text(getattr(self, each.name))}" for each in fields(self)[1:])


def draw(seed: int, kinds: list[tuple[str, bool]], given: dict[str, str]) -> Options:
    """Draw a run; `kinds` are the faults there are and whether each is a fork, `given` what was set by hand."""
    rng = random.Random(f"options {seed}")
    options = Options(
        seed=seed,
        operations=rng.randint(200, 260),
        hubs=rng.choice((3, 3, 3, 4)),
        is_wired=rng.random() < 0.3,
        is_hostile=rng.random() < 0.25,
        has_forks=rng.randrange(100) < FORKS_PCT,
        roams=rng.random() < 0.25,
        has_own_catalogue=rng.random() < 0.5,
        commit_ms_max=rng.choice((0, 5, 5, 60)),
        way_ms_max=rng.choice((5, 80, 600)),
        lost_answer_pct=rng.choice((0, 3, 12)),
        slow_send_pct=rng.choice((0, 10, 40)),
        regret_pct=rng.choice((2, 8, 30)),
        fault_every_ms=rng.choice((4_000, 8_000, 20_000)),
    )
    options = replace(options, has_standby=random.Random(f"standby {seed}").randrange(100) < STANDBY_PCT)
    options = _with(options, {name: text for name, text in given.items() if name not in LAST})
    known = [name for name, is_fork in kinds if options.has_forks or not is_fork]
    faults = tuple(name for name in known if rng.random() < 0.5)
    if (
        "cloud_restored" in faults
    ):  # a hub's card and the cloud's disk, both of yesterday: nobody has what was safe since
        spared = {"restored", "cloned"} if rng.random() < 0.5 else {"cloud_restored"}
        faults = tuple(name for name in faults if name not in spared)
    options = replace(options, faults=faults, **_drawn_last(seed, options))
    return _with(options, {name: text for name, text in given.items() if name in LAST})


def _drawn_last(seed: int, options: Options) -> dict[str, Any]:
    """Draw what came later by itself, so that a seed's other options stay as they were."""
    rng = random.Random(f"later options {seed}")
    is_mixed, has_modes = (rng.randrange(100) < pct for pct in (VERSIONS_PCT, MODES_PCT))
    modes = [rng.choice(MODES if n > 1 else DIALLING) for n in range(options.hubs)] if has_modes else []
    is_late = rng.randrange(100) < LATE_PCT
    prunes = rng.randrange(100) < PRUNES_PCT and not options.has_forks
    return {"has_versions": is_mixed, "modes": tuple(modes), "joins_late": is_late, "prunes": prunes}


def _with(options: Options, given: dict[str, str]) -> Options:
    values: dict[str, Any] = {name: _read(getattr(options, name), text) for name, text in given.items()}
    return replace(options, **values)  # Any: each is read as what stands there


def _read(like: object, text: str) -> object:
    if isinstance(like, bool):
        return text in ("1", "true", "True")
    if isinstance(like, tuple):
        return tuple(part for part in text.split(",") if part)
    return int(text)


def _text(value: object) -> str:
    return ",".join(value) if isinstance(value, tuple) else str(int(value)) if isinstance(value, bool) else str(value)
