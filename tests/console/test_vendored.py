"""What the console brings along from others: unmodified, with its licence, and everything in the folder is served."""

from hashlib import sha256
from pathlib import Path

import hub.console
from hub.api.selling.receipts import NO_RECEIPT
from hub.api.service import CONSOLE_FILES

FOLDER = Path(hub.console.__path__[0])
DIGESTS = {  # of npm's uplot 1.6.32: dist/uPlot.esm.js, dist/uPlot.min.css, LICENSE
    "uPlot.js": "5dd9b3281aa64b461b42d9945f6adb2649d346502b12281a9ae0d46599a80eba",
    "uPlot.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
    "uPlot.LICENSE.txt": "8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd",
}


def test_uplot_is_the_one_that_npm_has() -> None:
    assert {name: sha256((FOLDER / name).read_bytes()).hexdigest() for name in DIGESTS} == DIGESTS


def test_every_file_of_the_console_is_served() -> None:
    assert {path.name for path in FOLDER.iterdir() if path.suffix not in (".py", "")} == {*CONSOLE_FILES, NO_RECEIPT}
