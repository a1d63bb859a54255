"""`storehub probe`: configuration for what is attached. Opens nothing unless `--ask`, and then nothing that a hub uses."""

import sys
from pathlib import Path

from devices.errors import WireError
from devices.plug.asking import asked
from devices.plug.attachment import Attached, AttachmentError, wakes
from devices.plug.suggestion import Answered, suggestions
from devices.plug.watcher import Watcher
from devices.registry import kinds
from hub.config import load_config
from sync.errors import StartError


def probe(config: Path | None, *, asks: bool) -> int:
    """Print TOML; `config` is the file whose devices are known already."""
    try:
        attached = Watcher().attached()
    except AttachmentError as err:
        raise StartError(str(err)) from err
    specs = load_config(config).devices if config else ()
    owners = {each.node: spec.device_id for each in attached for spec in specs if wakes(spec.options, each)}
    answers = _answers([each for each in attached if each.node not in owners]) if asks else {}
    print(suggestions(attached, owners=owners, kinds=kinds(), answers=answers), end="")
    return 0


def _answers(attached: list[Attached]) -> dict[str, Answered]:
    found = {}
    for each in attached:
        try:
            answer = asked(each)
        except WireError as err:
            print(f"storehub: not asked: {err}", file=sys.stderr)
            continue
        if answer is not None:
            found[each.node] = answer
    return found
