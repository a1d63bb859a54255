"""Named moments at which a test may kill the process, or have a thread stand still for ever. Costs one look-up when unset.

`STOREHUB_FAILPOINT=name`, `name:nth` kill it; `name:nth:hang` is a call into the kernel that never comes back.
"""

import os
import signal
import threading
from collections import Counter

_WANTED, _, _REST = os.environ.get("STOREHUB_FAILPOINT", "").partition(":")
_NTH, _, _WHAT = _REST.partition(":")
_hits: Counter[str] = Counter()


def hit(name: str) -> None:
    """Kill this process with SIGKILL, or hang, when the environment asks for this moment."""
    if name == _WANTED:
        _hits[name] += 1
        if _hits[name] == int(_NTH or 1):
            if _WHAT == "hang":
                threading.Event().wait()
            os.kill(os.getpid(), signal.SIGKILL)
