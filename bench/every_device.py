"""A configuration in which every kind of device stands once, on wires of this machine: what an idle hub may have to carry.

A section is found by trying: what a driver's options do not take, the registry refuses. Kinds for which nothing fits are named.
"""

import os
import tty
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from devices.errors import OptionError
from devices.registry import kinds, options_for

NOBODY = "127.0.0.1:9"  # nobody listens there: a driver loads its library, calls, and waits for its turn to call again
_TRIED: tuple[tuple[str, ...], ...] = (
    (),
    ("store",),
    ("port",),
    ("path",),
    ("address",),
    ("store", "address"),
    ("entrance",),
)


@contextmanager
def every_device(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield TOML, and the kinds that are not in it."""
    with ExitStack() as undo:
        values = {
            "store": "bench",
            "address": NOBODY,
            "port": _terminal(undo),
            "path": _pipe(folder, undo),
            "entrance": "a",
        }
        sections, left_out = [], []
        for number, kind in enumerate(kinds()):
            said = _fitting(kind, values)
            if said is None:
                left_out.append(kind)
            else:
                lines = "".join(f'{name} = "{value}"\n' for name, value in said.items())
                sections.append(f'[devices.every{number}]\nkind = "{kind}"\n{lines}')
        yield "\n".join(sections), left_out


def _fitting(kind: str, values: dict[str, str]) -> dict[str, Any] | None:
    """Return options that a kind takes. Any: TOML."""
    for names in _TRIED:
        said = {name: values[name] for name in names}
        try:
            options_for(kind, said, device_id=kind)
        except OptionError:
            continue
        return said
    return None


def _terminal(undo: ExitStack) -> str:
    pair = os.openpty()
    for each in pair:
        undo.callback(os.close, each)
    tty.setraw(pair[1])
    return os.ttyname(pair[1])


def _pipe(folder: Path, undo: ExitStack) -> str:
    path = folder / "events"
    os.mkfifo(path)
    undo.callback(os.close, os.open(path, os.O_RDWR | os.O_NONBLOCK))
    return str(path)
