"""Backups to an S3-compatible store and to another host by rsync over ssh: real sockets, a real sshd, lines that are
cut."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hub.backup.age import Identity
from hub.backup.kept import name_of
from hub.backup.noted import read_noted
from hub.backup.targets.folder import Folder
from hub.backup.targets.rsync import Rsync
from hub.backup.targets.s3 import S3
from hub.cli import main
from hub.config import load_config
from hub.settings.backup import BackupSection, RsyncSection, S3Section, checked, read_secret
from hub.store.readers import open_to_read
from sync.errors import ConfigError, StartError
from tests.hub.s3_store import BUCKET, ID, REGION, SECRET, S3Store, s3_store

NOW = datetime(2026, 9, 22, 2, 30, tzinfo=UTC)
NAME = name_of("hk01", NOW)
NO_PAUSES = (0.0, 0.0)
needs_rsync = pytest.mark.skipif(shutil.which("rsync") is None, reason="rsync is not installed")
needs_sshd = pytest.mark.skipif(shutil.which("sshd") is None, reason="sshd is not installed")


@pytest.fixture
def store_there() -> Iterator[S3Store]:
    with s3_store() as there:
        yield there


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    path = tmp_path / "sealed"
    path.write_bytes(os.urandom(300_000))
    return path


def secret_file(folder: Path, secret: str = SECRET) -> str:
    path = folder / "s3-secret"
    path.write_text(f"{secret}\n")
    path.chmod(0o600)
    return str(path)


def s3_section(there: S3Store, folder: Path, **other: Any) -> S3Section:
    said = {
        "endpoint": there.endpoint,
        "bucket": BUCKET,
        "access_key_id": ID,
        "region": REGION,
        "prefix": "shops/hk01/",
    }
    return S3Section(**(said | {"secret_key_file": secret_file(folder)} | other))


def s3(there: S3Store, folder: Path, **other: Any) -> S3:
    return S3(s3_section(there, folder, **other), pauses_s=NO_PAUSES, now=lambda: datetime.now(UTC))


def test_an_object_is_brought_read_back_listed_fetched_and_taken_away(
    store_there: S3Store, sealed: Path, tmp_path: Path
) -> None:
    target = s3(store_there, tmp_path)
    target.put(sealed, NAME)
    assert store_there.objects[f"shops/hk01/{NAME}"] == sealed.read_bytes()
    assert [line.split()[0] for line in store_there.asked] == ["PUT", "GET"]
    store_there.objects |= {f"shops/hk01/{name_of('hk01', NOW.replace(day=day))}": b"x" for day in range(1, 6)}
    store_there.objects["shops/hk01/hk01-photo.jpg"] = b"x"
    store_there.page = 2
    assert [(each.made_at.day, each.bytes) for each in target.kept("hk01")] == [
        (22, 300_000),
        *((n, 1) for n in (5, 4, 3, 2, 1)),
    ]
    target.get(NAME, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == sealed.read_bytes()
    target.remove(NAME)
    assert f"shops/hk01/{NAME}" not in store_there.objects
    with pytest.raises(StartError, match=r"404 NoSuchKey: `storehub backup list`"):
        target.get(NAME, tmp_path / "back")


def test_a_line_that_is_cut_is_tried_again_and_then_given_up(
    store_there: S3Store, sealed: Path, tmp_path: Path
) -> None:
    target = s3(store_there, tmp_path)
    store_there.cuts, store_there.fails = 1, 1
    target.put(sealed, NAME)
    assert len(store_there.objects) == 1
    store_there.cuts = 99
    with pytest.raises(StartError, match="the next backup tries again"):
        target.put(sealed, "other")
    assert len(store_there.objects) == 1


def test_what_is_read_back_as_something_else_is_taken_away(store_there: S3Store, sealed: Path, tmp_path: Path) -> None:
    store_there.rots = True
    with pytest.raises(StartError, match="is not what was brought"):
        s3(store_there, tmp_path).put(sealed, NAME)
    assert not store_there.objects


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"access_key_id": "SOMEBODY"}, "InvalidAccessKeyId: correct"),
        ({"bucket": "another"}, "NoSuchBucket: make the bucket"),
        ({"region": "eu-west-1"}, "SignatureDoesNotMatch: the secret in secret_key_file"),
    ],
)
def test_what_the_store_refuses_is_said_with_the_remedy_and_no_secret(
    store_there: S3Store, sealed: Path, tmp_path: Path, other: dict[str, str], said: str
) -> None:
    with pytest.raises(StartError, match=said) as refused:
        s3(store_there, tmp_path, **other).put(sealed, NAME)
    assert SECRET not in str(refused.value)
    assert len(store_there.asked) == 1, "what is refused is not tried again"


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_signs_as_the_store_here_reads_it(store_there: S3Store, sealed: Path) -> None:
    """The store of these tests is judged by somebody else's signer."""
    url = f"{store_there.endpoint}/{BUCKET}/by-curl"
    command = ["curl", "-fsS", "--aws-sigv4", f"aws:amz:{REGION}:s3", "--user", f"{ID}:{SECRET}"]
    digest = subprocess.run(["sha256sum", str(sealed)], check=True, capture_output=True, text=True).stdout.split()[0]
    put = [*command, "-H", f"x-amz-content-sha256: {digest}", "-T", str(sealed), url]
    subprocess.run(put, check=True)
    assert store_there.objects["by-curl"] == sealed.read_bytes()
    wrong = [word.replace(SECRET, "wrong") for word in put]
    assert subprocess.run(wrong, check=False, capture_output=True).returncode == 22


def test_settings_that_give_a_secret_away_are_refused(store_there: S3Store, tmp_path: Path) -> None:
    section = s3_section(store_there, tmp_path)
    Path(section.secret_key_file).chmod(0o644)
    with pytest.raises(ConfigError, match="others of this machine can read"):
        read_secret(section.secret_key_file, "backup.s3.secret_key_file")
    with pytest.raises(ConfigError, match="http:// is for this machine only"):
        checked(BackupSection(s3=s3_section(store_there, tmp_path, endpoint="http://nas.example:9000")))


def test_a_medium_that_ends_in_the_middle_has_nothing_that_looks_like_a_backup(
    small_disk: Path, sealed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = Folder(small_disk)
    with pytest.raises(StartError, match="make room, or choose another medium"):
        target.put(sealed, NAME)
    monkeypatch.setattr("hub.backup.targets.folder.SPARE_BYTES", -(8 << 20))  # somebody else takes the room meanwhile
    sealed.write_bytes(bytes(5 << 20))
    with pytest.raises(StartError, match="No space left on device; the books are as they were"):
        target.put(sealed, NAME)
    assert not list(small_disk.iterdir())
    sealed.write_bytes(b"whole")
    target.put(sealed, NAME)
    assert [path.name for path in small_disk.iterdir()] == [NAME]


class Sshd:
    """An sshd on loopback that knows one key, and its folder."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port, self.key = folder / "there", port, folder / "ssh-key"
        self.known_hosts = folder / "known_hosts"
        self.folder.mkdir()

    def rsync(self, **other: Any) -> Rsync:
        said = {"to": f"127.0.0.1:{self.folder}", "key_file": str(self.key), "known_hosts": str(self.known_hosts)}
        return Rsync(RsyncSection(port=self.port, **(said | other)), pauses_s=())


@pytest.fixture
def sshd(tmp_path: Path, unused_tcp_port_factory: Callable[[], int]) -> Iterator[Sshd]:
    there = Sshd(tmp_path, unused_tcp_port_factory())
    host_key = tmp_path / "host-key"
    for path in (host_key, there.key):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    there.known_hosts.write_text(f"[127.0.0.1]:{there.port} {host_key.with_suffix('.pub').read_text()}")
    settings = tmp_path / "sshd_config"
    settings.write_text(
        f"Port {there.port}\nListenAddress 127.0.0.1\nHostKey {host_key}\nAuthorizedKeysFile {there.key}.pub\n"
        f"StrictModes no\nUsePAM no\nPidFile none\nPermitRootLogin yes\nSetEnv PATH={os.environ['PATH']}\n"
    )
    sshd = shutil.which("sshd")
    with_run = f"mount -t tmpfs tmpfs /run && mkdir /run/sshd && exec {sshd} -D -e -f {settings}"
    command = (
        ["unshare", "--mount", "sh", "-c", with_run]
        if os.getuid() == 0
        else [str(sshd), "-D", "-e", "-f", str(settings)]
    )
    with (tmp_path / "sshd.log").open("wb") as log, subprocess.Popen(command, stderr=log, stdout=log) as process:
        try:
            _wait_for(there.port, process, tmp_path / "sshd.log")
            yield there
        finally:
            process.terminate()


def _wait_for(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    for _ in range(600):
        assert process.poll() is None, log.read_text()
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(log.read_text())


@needs_rsync
@needs_sshd
def test_another_host_is_brought_a_backup_and_gives_it_back(sshd: Sshd, sealed: Path, tmp_path: Path) -> None:
    target = sshd.rsync()
    target.put(sealed, NAME)
    assert (sshd.folder / NAME).read_bytes() == sealed.read_bytes()
    assert (sshd.folder / NAME).stat().st_mode & 0o077 == 0
    (sshd.folder / "photo.jpg").touch()
    (sshd.folder / f".{NAME}.AbCdEf").touch()
    assert [(each.name, each.bytes) for each in target.kept("hk01")] == [(NAME, 300_000)]
    target.get(NAME, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == sealed.read_bytes()
    target.remove(NAME)
    assert not (sshd.folder / NAME).exists() and (sshd.folder / "photo.jpg").exists()


@needs_rsync
@needs_sshd
def test_what_another_host_refuses_is_said_with_the_remedy(sshd: Sshd, sealed: Path, tmp_path: Path) -> None:
    stranger = tmp_path / "stranger"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(stranger)], check=True)
    (tmp_path / "nobody").touch()
    for other, said in (
        ({"known_hosts": str(tmp_path / "nobody")}, "Host key verification failed.*known_hosts"),
        ({"key_file": str(stranger)}, "Permission denied.*authorized_keys"),
        ({"to": f"127.0.0.1:{sshd.folder}/not/there"}, "No such file or directory.*make the folder"),
    ):
        with pytest.raises(StartError, match=said):
            sshd.rsync(**other).put(sealed, NAME)
    assert not list(sshd.folder.iterdir())


@needs_rsync
def test_a_host_that_is_away_is_tried_again_by_the_next_backup(
    tmp_path: Path, sealed: Path, unused_tcp_port: int
) -> None:
    said = RsyncSection("127.0.0.1:there", str(tmp_path / "key"), str(tmp_path / "known"), unused_tcp_port)
    with pytest.raises(StartError, match=r"the line was cut .*; the next backup tries again"):
        Rsync(said, pauses_s=(0.0,)).put(sealed, NAME)


async def test_one_target_that_fails_keeps_no_other_from_its_backup_and_restore_fetches_it(
    store: Any, sale: Any, store_there: S3Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sold = sale()
    await store.sell(sold)
    key = Identity.new()
    (tmp_path / "key").write_text(key.secret)
    (tmp_path / "new").mkdir()

    def settings(data: Path) -> Path:
        file = tmp_path / f"{data.name}.toml"
        file.write_text(
            f"""
[store]
id = "hk01"
name_zh_hant = "示範店"
name_en = "Demo shop"
currency = "HKD"
[data]
dir = "{data}"
[backup]
to = "{tmp_path / "no-stick"}"
recipients = ["{key.recipient}"]
[backup.s3]
endpoint = "{store_there.endpoint}"
bucket = "{BUCKET}"
region = "{REGION}"
access_key_id = "{ID}"
secret_key_file = "{secret_file(tmp_path)}"
"""
        )
        return file

    file = settings(tmp_path)
    assert main(["backup", "make", "--reason", "nightly", "--config", str(file)]) == 1
    said = capsys.readouterr()
    assert "folder: " in said.err and "is the medium plugged in and mounted?" in said.err
    assert "nightly" in said.out and "s3: " in said.out and len(store_there.objects) == 1
    noted = read_noted(tmp_path)
    assert noted["folder"].error and noted["folder"].made is None
    assert noted["s3"].made is not None and noted["s3"].made.heads["sales"] == 1

    new = settings(tmp_path / "new")
    assert main(["restore", "--from", "s3", "--identity", str(tmp_path / "key"), "--config", str(new)]) == 0
    with open_to_read(load_config(new).database) as books:
        assert books.execute("SELECT sale_id FROM sale").fetchall() == [(sold.sale_id,)]
    assert not list((tmp_path / "new" / "backup").glob("*.age")), "what was fetched is not left"
    assert main(["restore", "--from", "rsync", "--identity", str(tmp_path / "key"), "--config", str(new)]) == 1
    assert "names no target 'rsync'; it names: folder, s3" in capsys.readouterr().err
    assert main(["backup", "list", "--config", str(file)]) == 1
    assert "  2" in capsys.readouterr().out
