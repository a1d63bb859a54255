"""A journal of a scripted day: what its writer saw, one JSON object a line, written down when it happened."""

import json
import os
from pathlib import Path
from typing import Any, Self


class Journal:
    """`with Journal(file) as journal: journal.note(at=…, what=…)`. Readable by its owner only."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __enter__(self) -> Self:
        self._fd = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)

    def note(self, **entry: Any) -> None:
        """Write a line. Any: JSON."""
        os.write(self._fd, json.dumps(entry, ensure_ascii=False).encode() + b"\n")
