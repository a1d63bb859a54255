"""A PostgreSQL of the tests' own: a cluster by initdb in a folder of its own, on a Unix socket, gone with the process."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

BIN = Path("/usr/lib/postgresql/15/bin")
IS_THERE = (BIN / "initdb").exists()


@dataclass(frozen=True)
class Cluster:
    """A running cluster."""

    folder: Path

    @property
    def dsn(self) -> str:
        return f"postgresql://owner@/postgres?host={self.folder}"

    def start(self) -> None:
        options = f"-F -c listen_addresses= -c unix_socket_directories={self.folder}"
        self.run("pg_ctl", "-D", "data", "-w", "-s", "-l", "log", "-o", options, "start")

    def stop(self, mode: str = "immediate") -> None:
        self.run("pg_ctl", "-D", "data", "-w", "-s", "-m", mode, "stop")

    def run(self, program: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs, never as root: it refuses that."""
        user = "postgres" if any(each.pw_name == "postgres" for each in pwd.getpwall()) else "nobody"
        who = {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}
        subprocess.run([BIN / program, *arguments], check=True, cwd=self.folder, stdout=subprocess.DEVNULL, **who)  # type: ignore[call-overload]


@contextmanager
def cluster() -> Iterator[Cluster]:
    """Make a cluster, run it, remove it."""
    folder = Path(tempfile.mkdtemp(prefix="storehub-warehouse-"))
    made = Cluster(folder)
    try:
        if os.geteuid() == 0:
            user = "postgres" if any(each.pw_name == "postgres" for each in pwd.getpwall()) else "nobody"
            os.chown(folder, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
        made.run("initdb", "-D", "data", "-U", "owner", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        made.start()
        try:
            yield made
        finally:
            made.stop()
    finally:
        shutil.rmtree(folder)
