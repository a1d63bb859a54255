"""Errors of the replicated store. Each has a stable `code`; the docstring says what state they leave behind."""


class SyncError(Exception):
    """Root of all errors of the replicated store."""

    code = "sync_error"


class RuleError(SyncError):
    """A retail rule refuses a value; nothing was changed. `pointer` is a JSON pointer into what was checked."""

    code = "rule"

    def __init__(self, code: str, pointer: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.pointer = pointer
