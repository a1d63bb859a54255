"""A Debian machine of its own under qemu, for what only a kernel, udev, BlueZ and systemd can show. See docs/appliance.md.

Lives here: the image (built once, kept by its recipe's digest), booting a throw-away copy, commands by ssh, devices by QMP.
A boot takes half a minute emulated, a few seconds under KVM (STOREHUB_KVM=1).
"""

import asyncio
import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import socket
import tomllib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PROJECT = HERE.parent.parent
READY = b"APPLIANCE-READY"
BUILD_TIMEOUT_S = 1200
BOOT_TIMEOUT_S = 300  # emulated, on a machine that does something else as well
COMMAND_TIMEOUT_S = 180
SHUT_DOWN_TIMEOUT_S = 10
MAINBOARD = "5a0c0de5-7e57-4b0a-8d15-000000000001"  # its number: by it a hub sees that its card is in another machine


def store() -> Path:
    """Return the folder of the image that today's recipe builds; older ones are removed when a new one is built."""
    base = Path(os.environ.get("STOREHUB_APPLIANCE") or Path.home() / ".cache" / "store-hub-appliance")
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    packages = json.dumps([project["dependencies"], project["optional-dependencies"]["ble"]])
    return base / hashlib.sha256((HERE / "build").read_bytes() + packages.encode()).hexdigest()[:12]


async def built() -> Path:
    """Return the folder with root.img, vmlinuz, initrd and the key, building them first if they are not there."""
    folder = store()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)  # two processes of tests want it at once
        if not (folder / "root.img").exists():
            for older in folder.parent.iterdir():
                if older == folder:
                    continue
                if (older / "debs").exists():
                    shutil.copytree(older / "debs", folder / "debs", dirs_exist_ok=True)
                shutil.rmtree(older)
            async with asyncio.timeout(BUILD_TIMEOUT_S):
                await said(str(HERE / "build"), str(folder))
    return folder


def has_kvm() -> bool:
    """Whether to use the processor's own virtual machines: only when asked to, for some hosts offer a /dev/kvm that hangs."""
    return os.environ.get("STOREHUB_KVM") == "1"


class Machine:
    """A running machine. `run` is a root's shell on it."""

    def __init__(self, image: Path, folder: Path, port: int, process: asyncio.subprocess.Process) -> None:
        self._image, self._folder, self._port, self._process = image, folder, port, process

    async def is_up(self) -> None:
        """Return when it has booted; fail with qemu's words when that ends before."""
        console = self._folder / "console.log"
        async with asyncio.timeout(BOOT_TIMEOUT_S):
            while not (console.exists() and READY in console.read_bytes()):
                assert self._process.returncode is None, (self._folder / "qemu.log").read_text()
                await asyncio.sleep(0.1)  # the console is a file: there is nothing to wait for but its growing

    def lose_power(self) -> None:
        """End at once, without a word to the kernel in it."""
        self._process.kill()

    async def run(self, command: str, *, given: bytes = b"", timeout_s: float = COMMAND_TIMEOUT_S) -> str:
        """Run a shell command as root and return what it printed; one that fails fails the test with what it said."""
        async with asyncio.timeout(timeout_s):
            return await said(*self.ssh(command), given=given)

    def ssh(self, *command: str, options: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Return the command line that runs a command on the machine; all share one connection."""
        control = ("-o", "ControlMaster=auto", "-o", f"ControlPath={self._folder}/ssh", "-o", "ControlPersist=yes")
        trust = ("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR")
        key = ("-i", str(self._image / "id_ed25519"), "-p", str(self._port))
        return ("ssh", *control, *trust, *key, *options, "root@127.0.0.1", *command)

    async def copy(self, *names: str, to: str) -> None:
        """Copy files and folders of the project."""
        await self.run(f"mkdir -p {to} && tar -C {to} -xf -", given=await packed(PROJECT, *names))

    async def forward(self, to: int | str) -> int:
        """Return a port of this host that leads to a port of the machine's loopback, or to a socket in its file system."""
        here, there = free_port(), to if isinstance(to, str) else f"127.0.0.1:{to}"
        await self.run_here("-O", "forward", "-L", f"127.0.0.1:{here}:{there}")
        return here

    async def run_here(self, *options: str) -> None:
        """Ask the shared connection for something."""
        await said(*self.ssh(options=options))

    async def qmp(self, command: str, **arguments: Any) -> Any:
        """Ask qemu itself, as for plugging a device in; raise AssertionError with its words when it refuses. Any: JSON."""
        reader, writer = await asyncio.open_unix_connection(str(self._folder / "qmp"))
        try:
            await reader.readline()
            for name, given in (("qmp_capabilities", {}), (command, arguments)):
                writer.write(json.dumps({"execute": name, "arguments": given}).encode() + b"\n")
                answer = await _answer(reader)
            return answer
        finally:
            writer.close()

    @property
    def address(self) -> tuple[int, Path]:
        """The port of this host where its ssh answers, and the key that opens it."""
        return self._port, self._image / "id_ed25519"

    @property
    def folder(self) -> Path:
        """Where its sockets are."""
        return self._folder


@asynccontextmanager
async def booted(folder: Path) -> AsyncIterator[Machine]:
    """Boot a copy of the image that forgets everything, and end it."""
    image, disk = await built(), folder / "disk.qcow2"
    await said("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(image / "root.img"), str(disk))
    async with powered(image, folder, str(disk)) as machine:
        await machine.is_up()
        yield machine


@asynccontextmanager
async def powered(
    image: Path, folder: Path, disk: str, *more: str, ports: Mapping[int, int] | None = None
) -> AsyncIterator[Machine]:
    """Switch a machine on that has this disk, and end it; `ports` of this host lead to its LAN, `more` goes to qemu."""
    port = free_port()
    for name in ("console.log", "qmp", "ssh"):
        (folder / name).unlink(missing_ok=True)  # of the machine that lost its power here
    log = (folder / "qemu.log").open("wb")
    process = await asyncio.create_subprocess_exec(
        *_command(image, folder, disk, {port: 22, **(ports or {})}),
        *more,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=log,
        stderr=log,
    )
    machine = Machine(image, folder, port, process)
    try:
        yield machine
    finally:
        with contextlib.suppress(AssertionError, TimeoutError):
            async with asyncio.timeout(SHUT_DOWN_TIMEOUT_S):
                await machine.run_here("-O", "exit")
        if process.returncode is None:
            process.kill()
        await process.wait()
        log.close()


def free_port() -> int:
    """Return a port of this host that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def packed(folder: Path, *names: str) -> bytes:
    """Return a tar archive of files and folders below a folder."""
    process = await asyncio.create_subprocess_exec(
        "tar", "-C", str(folder), "-cf", "-", *names, stdout=asyncio.subprocess.PIPE
    )
    content, _ = await process.communicate()
    assert process.returncode == 0
    return content


async def said(*command: str, given: bytes = b"") -> str:
    """Run a program of this host and return what it printed; one that fails fails the test."""
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        out, err = await process.communicate(given)
    except asyncio.CancelledError:
        process.kill()
        raise
    assert process.returncode == 0, f"{command[-1][:300]}: {process.returncode}\n{out.decode()}{err.decode()}"
    return out.decode()


def _command(image: Path, folder: Path, disk: str, ports: Mapping[int, int]) -> tuple[str, ...]:
    accel, processor = ("kvm", "host") if has_kvm() else ("tcg,thread=multi", "max")
    kernel = "root=/dev/vda rw console=ttyS0 quiet loglevel=3 mitigations=off audit=0 panic=-1"
    forwards = ",".join(f"hostfwd=tcp:127.0.0.1:{here}-:{there}" for here, there in ports.items())
    line = f"""qemu-system-x86_64 -M q35,usb=off,vmport=off -accel {accel} -cpu {processor} -m 1024 -smp 2 -nodefaults
        -uuid {MAINBOARD}
        -display none
        -kernel {image}/vmlinuz -initrd {image}/initrd
        -drive file={disk},if=none,id=d0,cache=writeback -device virtio-blk-pci,drive=d0
        -netdev user,id=n0,restrict=on,{forwards} -device virtio-net-pci,netdev=n0,romfile=
        -object rng-random,id=r0,filename=/dev/urandom -device virtio-rng-pci,rng=r0 -device qemu-xhci,id=xhci
        -chardev file,id=console,path={folder}/console.log -serial chardev:console
        -qmp unix:{folder}/qmp,server=on,wait=off -no-reboot"""
    return (*line.split(), "-append", kernel)


async def _answer(reader: asyncio.StreamReader) -> Any:
    """Return the next answer; events between are not asked for."""
    async with asyncio.timeout(COMMAND_TIMEOUT_S):
        while True:
            said = json.loads(await reader.readline())
            assert "error" not in said, said["error"]["desc"]
            if "return" in said:
                return said["return"]
