"""Errors of the hub. `code` is stable and is the key of the bilingual texts; docstrings say what a caller may do next.

The hub stands on the store: whoever handles a SyncError handles these too.
"""

from sync.errors import SyncError


class HubError(SyncError):
    """Root of the hub's own operating errors. Nothing was changed."""


class NotFoundError(HubError):
    """There is no such thing; asking again will not help."""


class ConflictError(HubError):
    """Another write or holder came first; the answer names it. Repeating the same request gives the same answer."""


class RefusedError(HubError):
    """The request is understood but wrong; nothing was changed, a corrected one may follow."""


class NoRoomError(HubError):
    """The rest of the disk is kept for selling; nothing was changed, the same may be asked again when there is room."""


class WaitError(HubError):
    """It is too early for this after what came before; nothing was changed, the same may be asked again in `wait_s`."""

    def __init__(self, code: str, detail: str, *, wait_s: int) -> None:
        super().__init__(code, detail)
        self.wait_s = wait_s
