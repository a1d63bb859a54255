"""What a failing disk says through SQLite, in the words of this program: whose fault it is, and which. No connection here."""

import errno
import os
import sqlite3
from pathlib import Path
from typing import Literal

from sync.errors import OutcomeUnknownError

StorageFault = Literal["no_space", "read_only", "outcome_unknown"]
"""No room, or no writing: nothing was written. Else (an I/O error): nobody knows until the same is asked again."""

ROOM_MIN = 64 * 1024  # bytes; with less even the index of a write-ahead log finds none, and calls that an I/O error
_STORAGE_FAULTS = {  # primary result codes: the low byte of an extended one
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_BUSY,
}
_MAY_BE_THE_FOLDER = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN}


def is_storage_fault(err: Exception) -> bool:
    """Whether the file or the disk is at fault (full, I/O, read-only, corrupt); a wrong statement or value is a job's own."""
    return isinstance(err, sqlite3.Error) and _result_code(err) in _STORAGE_FAULTS


def storage_fault(err: BaseException, path: Path) -> StorageFault:
    """Return why a commit to the file at `path` failed."""
    code = _result_code(err)
    if code == sqlite3.SQLITE_FULL:
        return "no_space"
    if code == sqlite3.SQLITE_READONLY:
        return "read_only"
    return _of_folder(path.parent) if code in _MAY_BE_THE_FOLDER else "outcome_unknown"


def refusal(fault: StorageFault, err: BaseException) -> OutcomeUnknownError:
    """Return what those are answered whose commit failed: the same again settles it."""
    return OutcomeUnknownError(fault, str(err))


def is_mounted_read_only(folder: Path) -> bool:
    """Whether the file system of a folder says that it takes no writes; False where nobody can say."""
    try:
        return bool(os.statvfs(folder).f_flag & os.ST_RDONLY)
    except OSError:
        return False


def _of_folder(folder: Path) -> StorageFault:
    """SQLite calls a write that the kernel refuses an I/O error, whatever the reason."""
    try:
        said = os.statvfs(folder)
    except OSError:
        return "outcome_unknown"
    if said.f_flag & os.ST_RDONLY or _takes_no_file(folder):
        return "read_only"
    return "no_space" if said.f_bavail * said.f_frsize < ROOM_MIN else "outcome_unknown"


def _takes_no_file(folder: Path) -> bool:
    """Whether a file cannot even be begun: an ext4 that gave up after an error does not say so of itself (`emergency_ro`)."""
    try:
        os.close(os.open(folder, os.O_TMPFILE | os.O_WRONLY))
    except OSError as err:
        return err.errno == errno.EROFS
    return False


def _result_code(err: BaseException) -> int:
    """The primary result code; a job's error is wrapped, and the first one has it."""
    cause = err if hasattr(err, "sqlite_errorcode") else err.__cause__
    return int(getattr(cause, "sqlite_errorcode", 0)) & 0xFF
