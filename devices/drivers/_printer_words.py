"""What keeps a printer from printing: its health, with the stable reason word and what somebody in the shop does about it."""

from devices.model import Health, StatusUpdate

TROUBLES = {
    "cover_open": "shut the cover",
    "paper_out": "put in a new roll of paper",
    "head_open": "shut the print head",
    "ribbon_out": "put in a new ribbon",
    "paper_jam": "take out the paper that is jammed",
    "cutter_error": "switch the printer off, take out what blocks the cutter, switch it on",
    "printer_error": "it recovers by itself (a hot head) or when its cover is opened and shut",
    "printer_fault": "switch it off and on; if that does not help, it needs repair",
    "printer_offline": "look at its panel: it is off line, for no reason that it tells",
    "paused": "press the printer's pause button",
    "not_polling": "it does not ask for jobs: is it on, on the network, and does it know this hub's address and its password?",
}


def trouble(reason: str) -> StatusUpdate:
    """Return the health of a printer that is there and cannot print."""
    return StatusUpdate(Health.DEGRADED, reason, TROUBLES.get(reason, ""))
