"""A PostgreSQL server of one's own for a benchmark or the tests: by initdb in a folder of its own, fsync on, on a socket only.

PostgreSQL does not run as root: then it runs as the user `postgres`, or as `nobody`. Not here: what is measured.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
STOP_TIMEOUT_S = 30.0
_OPTIONS = ("listen_addresses=''", "shared_buffers=128MB", "max_connections=200", "fsync=on", "full_page_writes=on")


@dataclass
class Server:
    """A server whose data lies in `folder`."""

    binaries: Path
    folder: Path
    user: int | None

    @property
    def dsn(self) -> str:
        """Its first database, as a superuser of its own."""
        return f"postgresql://storehub@/postgres?host={self.folder}"

    def begin(self) -> None:
        """Make the cluster and start it."""
        self._run("initdb", "-D", self._data, "-U", "storehub", "--auth=trust", "--encoding=UTF8", "--no-locale", "-N")
        self.start()

    def start(self) -> None:
        """Start it, as after a crash."""
        options = " ".join(["-k", str(self.folder), *(f"-c {each}" for each in _OPTIONS)])
        self._run("pg_ctl", "-D", self._data, "-w", "-o", options, "-l", str(self.folder / "log"), "start")

    def crash(self) -> None:
        """Kill all of its processes with SIGKILL, the first one first; their shared memory is left as it was."""
        first = int((self.folder / "data" / "postmaster.pid").read_text().split()[0])
        children = [int(pid) for pid in Path(f"/proc/{first}/task/{first}/children").read_text().split()]
        for pid in (first, *children):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        while any(Path(f"/proc/{pid}").exists() for pid in (first, *children)):
            time.sleep(0.01)
        (self.folder / "data" / "postmaster.pid").unlink()

    def stop(self, how: str = "fast") -> None:
        """Stop it; `immediate` is as a crash."""
        self._run("pg_ctl", "-D", self._data, "-w", "-m", how, "stop")

    @property
    def _data(self) -> str:
        return str(self.folder / "data")

    def _run(self, name: str, *arguments: str) -> None:
        subprocess.run(
            [self.binaries / name, *arguments],
            user=self.user,
            group=None if self.user is None else pwd.getpwuid(self.user).pw_gid,
            extra_groups=None if self.user is None else [],
            cwd=self.folder,
            env=os.environ | _libraries(self.binaries),
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=STOP_TIMEOUT_S,
        )


def binaries() -> Path | None:
    """Return the folder of the server's programs, None where there are none."""
    places = [Path("/usr/lib/postgresql"), ROOT / ".venv" / "postgresql" / "usr" / "lib" / "postgresql"]
    found = [
        path for place in places for path in sorted(place.glob("*/bin"), reverse=True) if (path / "initdb").exists()
    ]
    on_path = shutil.which("initdb")
    return found[0] if found else Path(on_path).parent if on_path else None


@contextmanager
def temporary_server(where: Path | None = None) -> Iterator[Server]:
    """Run a server until the block ends; its folder is below `where`, and goes with it."""
    programs = binaries()
    assert programs is not None, "PostgreSQL is not installed; see ./test --setup-only"
    folder = Path(tempfile.mkdtemp(prefix="storehub-pg-", dir=where))
    user = _other_user()
    if user is not None:
        os.chown(folder, user, -1)
    server = Server(programs, folder, user)
    try:
        server.begin()
        yield server
        server.stop("immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _libraries(programs: Path) -> dict[str, str]:
    """Where programs that were unpacked beside the system find what they were linked with."""
    if not programs.is_relative_to(ROOT):
        return {}
    unpacked = ROOT / ".venv" / "postgresql"
    return {"LD_LIBRARY_PATH": ":".join(str(path) for path in sorted(unpacked.glob("**/*-linux-gnu")) if path.is_dir())}


def _other_user() -> int | None:
    if os.getuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return pwd.getpwnam("postgres" if "postgres" in names else "nobody").pw_uid
