"""A D-Bus of one's own: Debian's dbus-daemon as a child, for a fake org.bluez. Its clients find it by DBUS_SYSTEM_BUS_ADDRESS."""

import asyncio
import contextlib
import ctypes
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

STOP_TIMEOUT_S = 5.0
START_TIMEOUT_S = 10.0
_PR_SET_PDEATHSIG = 1
_CONFIG = """\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={socket}</listen>
  <policy context="default">
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
    <allow own="*"/>
    {denied}
  </policy>
</busconfig>
"""
_DENY_BLUEZ = '<deny send_destination="org.bluez"/>'


def has_dbus_daemon() -> bool:
    """Whether this machine can have such a bus."""
    return shutil.which("dbus-daemon") is not None


@contextlib.asynccontextmanager
async def private_bus(*, denies_bluez: bool = False) -> AsyncIterator[str]:
    """Run a bus and yield its address. `denies_bluez`: nobody may call org.bluez, as outside of the group `bluetooth`."""
    with tempfile.TemporaryDirectory(prefix="storehub-bus-") as folder:
        socket, config = Path(folder, "bus"), Path(folder, "bus.conf")
        _write(config, _CONFIG.format(socket=socket, denied=_DENY_BLUEZ if denies_bluez else ""))
        daemon = await asyncio.create_subprocess_exec(
            *("dbus-daemon", f"--config-file={config}", "--nofork", "--print-address"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            preexec_fn=_stay_as_long_as_the_parent,
        )
        try:
            assert daemon.stdout is not None
            async with asyncio.timeout(START_TIMEOUT_S):
                await daemon.stdout.readline()
            yield f"unix:path={socket}"
        finally:
            with contextlib.suppress(ProcessLookupError):
                daemon.send_signal(signal.SIGTERM)
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await daemon.wait()


def _stay_as_long_as_the_parent() -> None:
    """Ctrl-C is for the parent, which stops its bus last; one that is killed takes it along."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _write(path: Path, text: str) -> None:
    path.write_text(text)
