"""Whose writes go into the next group commit: BESIDE_MAX of each client, ALONE_MAX of one that is alone, all that are nobody's.

A group is as long as all of its jobs, and who comes meanwhile waits for the whole of it: two clients with sixteen sales at once
each made everybody wait for thirty-two. What stays behind goes first into the next group; one client's writes keep their order.
Not here: how many may wait (sync.db), who is let in (the API).
"""

from collections import Counter, deque
from collections.abc import Callable
from contextvars import ContextVar
from typing import TypeVar

BESIDE_MAX = 2  # beside others; with one, who sends much at once pays a commit for each write
ALONE_MAX = 8  # a group of one client's: another may have to wait for all of them
WRITES_FOR: ContextVar[str] = ContextVar("writes_for", default="")
"""The client that the code in this context writes for; "" is nobody: the store's own work."""

T = TypeVar("T")


def take_group(waiting: deque[T], client_of: Callable[[T], str]) -> list[T]:
    """Take the next group out of what waits, in its order."""
    clients = Counter(map(client_of, waiting))
    clients.pop("", None)
    share = BESIDE_MAX if len(clients) > 1 else ALONE_MAX
    if all(count <= share for count in clients.values()):
        group = list(waiting)
        waiting.clear()
        return group
    taken, group, later = Counter[str](), list[T](), list[T]()
    for job in waiting:
        client = client_of(job)
        taken[client] += 1
        (later if client and taken[client] > share else group).append(job)
    waiting.clear()
    waiting.extend(later)
    return group
