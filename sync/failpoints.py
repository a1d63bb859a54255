"""Named moments at which a test may kill the process: `STOREHUB_FAILPOINT=name` or `name:nth`. Costs one look-up when unset."""

import os
import signal
from collections import Counter

_WANTED, _, _NTH = os.environ.get("STOREHUB_FAILPOINT", "").partition(":")
_hits: Counter[str] = Counter()


def hit(name: str) -> None:
    """Kill this process with SIGKILL when the environment asks for this moment."""
    if name == _WANTED:
        _hits[name] += 1
        if _hits[name] == int(_NTH or 1):
            os.kill(os.getpid(), signal.SIGKILL)
