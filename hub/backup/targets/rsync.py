"""Another host by rsync over ssh: Debian's `rsync` and `openssh-client`, which ask nobody anything and know the host's
key.

rsync gives a file its name there when it has come whole; what a dropped line has left is in .storehub-partial and goes
on from there. Exit codes: rsync(1). Where the account there is held to this folder: `rrsync` in its authorized_keys.
"""

import re
import shlex
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from hub.backup.kept import Kept, kept_among
from hub.backup.targets.target import PAUSES_S, DroppedError, read_back, trying
from hub.settings.backup import RsyncSection
from sync.errors import StartError

CONNECT_S = 20
SILENT_S = 60  # a line that brings nothing for so long is dead
WHOLE_S = 6 * 3600  # a night
DROPPED = {10, 12, 30, 35, 255}
PARTIAL = ".storehub-partial"
_LISTED = re.compile(r"-\S+\s+(?P<bytes>\d+) \S+ \S+ (?P<name>.+)")
_REMEDIES = (  # what ssh and rsync say -> what to do
    ("Host key verification failed", "write the host's key into known_hosts: `ssh-keyscan HOST`, and compare it there"),
    (
        "REMOTE HOST IDENTIFICATION HAS CHANGED",
        "somebody else answers, or the host was set up anew: compare its key there",
    ),
    ("Permission denied (", "the account there must know this hub's public key (authorized_keys), see key_file"),
    ("Permission denied", "the account there must be able to write into the folder"),
    ("No such file or directory", "make the folder there, or correct [backup.rsync] to"),
    ("No space left on device", "make room there, or lower [backup] keep"),
    ("command not found", "install rsync there"),
    ("UNPROTECTED PRIVATE KEY", "the key file must be for its owner only: chmod 600"),
)


class Rsync:
    """See Target."""

    name = "rsync"

    def __init__(self, section: RsyncSection, *, pauses_s: Sequence[float] = PAUSES_S) -> None:
        self._to = section.to.rstrip("/")
        self._ssh = _ssh(section)
        self._pauses_s = pauses_s
        self.where = section.to

    def put(self, sealed: Path, name: str) -> None:
        """Bring it, and fetch it again."""
        trying(
            lambda: self._run(f"--partial-dir={PARTIAL}", "--chmod=F600", str(sealed), self._at(name)),
            pauses_s=self._pauses_s,
        )
        read_back(self, sealed, name)

    def get(self, name: str, into: Path) -> None:
        """Fetch one."""
        trying(lambda: self._run(self._at(name), str(into)), pauses_s=self._pauses_s)

    def kept(self, store: str) -> list[Kept]:
        """Look."""
        said = trying(lambda: self._run("--list-only", "--no-human-readable", self._at("")), pauses_s=self._pauses_s)
        found = [each for each in map(_LISTED.fullmatch, said.splitlines()) if each]
        return kept_among(((each["name"], int(each["bytes"])) for each in found), store)

    def remove(self, name: str) -> None:
        """Make that one there as it is in an empty folder."""
        with tempfile.TemporaryDirectory(prefix="storehub-") as empty:
            only = ("--dirs", "--delete", f"--include=/{name}", "--exclude=*")
            trying(lambda: self._run(*only, f"{empty}/", self._at("")), pauses_s=self._pauses_s)

    def _at(self, name: str) -> str:
        return f"{self._to}/{name}"

    def _run(self, *words: str) -> str:
        command = ["rsync", "--protect-args", f"--timeout={SILENT_S}", "-e", self._ssh, *words]
        try:
            ran = subprocess.run(  # noqa: S603 - no shell; the words are the configuration's and ours
                command,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=WHOLE_S,
                check=False,
                stdin=subprocess.DEVNULL,
            )
        except FileNotFoundError as err:
            raise StartError("rsync is not here: `apt install rsync openssh-client`") from err
        except subprocess.TimeoutExpired as err:
            raise StartError(f"{self.where}: not done within {WHOLE_S // 3600} hours; see the line") from err
        if ran.returncode:
            raise self._error(ran.returncode, ran.stderr)
        return ran.stdout

    def _error(self, code: int, said: str) -> StartError:
        last = next((line for line in said.strip().splitlines() if line), "it says nothing")
        for words, remedy in _REMEDIES:
            if words in said:
                line = next(line for line in said.splitlines() if words in line)
                return StartError(f"{self.where}: {line.strip()}: {remedy}")
        if code in DROPPED:
            return DroppedError(f"{self.where}: the line was cut ({last}); the next backup tries again")
        return StartError(f"{self.where}: rsync ends with {code}: {last}")


def _ssh(section: RsyncSection) -> str:
    options = {
        "BatchMode": "yes",
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": section.known_hosts,
        "GlobalKnownHostsFile": "/dev/null",
        "IdentitiesOnly": "yes",
        "IdentityFile": section.key_file,
        "ConnectTimeout": str(CONNECT_S),
        "ServerAliveInterval": "15",
        "ServerAliveCountMax": "4",
    }
    words = ["ssh", "-F", "/dev/null", "-p", str(section.port)]
    for name, value in options.items():
        words += ["-o", f"{name}={value}"]
    return shlex.join(words)
