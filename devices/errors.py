"""Errors of the device library. Each has a stable `code`; none of them changes stored state."""


class DeviceError(Exception):
    """Root of all device errors; the device supervisor reports it and opens the device again."""

    code = "device_error"


class OptionError(DeviceError):
    """A device's configuration is wrong: the start stops. The message names the device, the option and the remedy."""

    code = "device_option"


class WireError(DeviceError):
    """The wire is away or answered nonsense: nothing was lost on our side, opening again is safe.

    `reason` is the stable word of it that health shows; devices.remedies has the words and what to do.
    """

    code = "device_wire"
    reason = "not_attached"

    def __init__(self, detail: str, *, reason: str = "") -> None:
        super().__init__(detail)
        if reason:
            self.reason = reason


class LabelError(DeviceError):
    """A scanned label is refused (check digit, length, character): nothing was read, scanning again is safe."""

    code = "scan_label"

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class WeightError(DeviceError):
    """What a scale sent is no weight: nothing was read, asking again is safe. `reason`: bad_frame, bad_number, bad_unit."""

    code = "scale_weight"

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class CommandError(DeviceError):
    """A device did not do what it was told; nothing will happen later. `reason`: device_offline, device_busy."""

    code = "device_command"

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class EncodingError(DeviceError):
    """A document cannot be put into printer bytes (unknown symbology, bad bar code data): nothing was sent."""

    code = "print_encoding"


class CountError(DeviceError):
    """A counter's payload is refused for `reason`: nothing was counted, sending it again is of no use."""

    code = "counter_payload"

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class BeaconError(DeviceError):
    """An advertisement is no beacon's, or a damaged one, for `reason`: nothing was heard, the next one may be good."""

    code = "beacon_frame"

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class NotRecordedError(DeviceError):
    """The hub cannot write now: nothing was stored. The driver must not acknowledge; it may hand in the same again."""

    code = "not_recorded"


class JobTakenError(DeviceError):
    """A print job may not be begun here any more: it went to another printer. Nothing was sent; ask for the next."""

    code = "job_taken"
