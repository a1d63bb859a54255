"""Mettler Toledo 8217 and 8213 "demand": the hub asks with W, the scale answers a weight, or why it has none.

    STX 01.234 CR       weight at rest, in the scale's own unit (the protocol names none); N behind it: net of a tare
    STX ? status CR     no weight; bits of `status`: 0 motion, 1 out of range, 2 under zero, 3 not zeroed, 4 centre of zero,
                        5 and 6 always set, 7 parity

Source: the protocol's tables in the manuals of scales that speak it (Transcell PC-150, appendix B; Mettler Toledo 8217).
"""

from typing import Final

from devices.codecs.weighing.units import Unit, grams
from devices.errors import WeightError
from devices.model import WeighingState, Weight

ASK_WEIGHT: Final = b"W"
ZERO: Final = b"Z"

FRAME_MAX_BYTES = 16  # a weight has nine bytes; what is longer is another protocol

_STX, _CR = 0x02, 0x0D
_MOTION, _OUT_OF_RANGE, _UNDER_ZERO, _NOT_ZEROED, _CENTRE_OF_ZERO = (1 << bit for bit in range(5))
_ALWAYS_SET = 0b0110_0000
_STATES: tuple[tuple[int, WeighingState], ...] = (
    (_OUT_OF_RANGE, "overweight"),
    (_UNDER_ZERO, "under_zero"),
    (_NOT_ZEROED, "not_ready"),
    (_MOTION, "unstable"),
    (_CENTRE_OF_ZERO, "zero"),
)


class ToledoFramer:
    """Bytes in, frames out: what stands between STX and CR. Bytes outside a frame, and frames too long, are no frames."""

    def __init__(self) -> None:
        self._held: bytearray | None = None

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the frames that this chunk ended."""
        frames = []
        for byte in (each & 0x7F for each in chunk):  # the eighth bit is parity where the port did not take it
            if byte == _STX:
                self._held = bytearray()
            elif self._held is None:
                continue
            elif byte == _CR:
                frames.append(bytes(self._held))
                self._held = None
            else:
                self._held.append(byte)
                if len(self._held) > FRAME_MAX_BYTES:
                    self._held = None
        return frames


def read_frame(frame: bytes, unit: Unit) -> Weight:
    """Return what a frame says; raise WeightError for one that is neither weight nor status."""
    if frame[:1] == b"?":
        if len(frame) != 2 or frame[1] & _ALWAYS_SET != _ALWAYS_SET:
            raise WeightError("bad_frame", "a status that is none: check baudrate and parity")
        state: WeighingState = next((state for bit, state in _STATES if frame[1] & bit), "not_ready")
        return Weight(state, 0 if state == "zero" else None)
    shown = frame.decode("ascii", "replace").strip()
    weight_g = grams(shown.removesuffix("N"), unit)
    if weight_g < 0:
        return Weight("under_zero")
    return Weight("stable", weight_g) if weight_g else Weight("zero", 0)
