"""Wrong codes of each address: a few are free, then it waits longer and longer. Times are the loop's; nothing is durable.

Addresses beyond ADDRESSES_MAX share one count: who has a thousand addresses gains nothing by them. A code has 60 bits, so this
keeps the log and the writer quiet rather than the code.
"""

from dataclasses import dataclass

FREE = 5
FIRST_WAIT_S = 5.0
LONGEST_WAIT_S = 320.0
FORGOTTEN_S = 3600.0  # without a wrong code for so long
ADDRESSES_MAX = 256
_OTHERS = ""


@dataclass(slots=True)
class _Wrong:
    count: int = 0
    last_s: float = 0.0


class Guesses:
    """Who guessed wrong how often."""

    def __init__(self) -> None:
        self._wrong: dict[str, _Wrong] = {}

    def wait_s(self, address: str, now_s: float) -> float:
        """Return how long an address has to wait before its next code; 0: it may try."""
        wrong = self._wrong.get(self._known_as(address, now_s))
        if wrong is None or wrong.count < FREE:
            return 0.0
        due_s = wrong.last_s + min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(wrong.count - FREE, 16))
        return max(0.0, due_s - now_s)

    def was_wrong(self, address: str, now_s: float) -> None:
        """Count a wrong code."""
        wrong = self._wrong.setdefault(self._known_as(address, now_s), _Wrong())
        wrong.count += 1
        wrong.last_s = now_s

    def was_right(self, address: str) -> None:
        """Forget an address; the count that many share stays."""
        self._wrong.pop(address or "?", None)

    def _known_as(self, address: str, now_s: float) -> str:
        old = [each for each, wrong in self._wrong.items() if now_s - wrong.last_s > FORGOTTEN_S]
        for each in old:
            del self._wrong[each]
        address = address or "?"
        return address if address in self._wrong or len(self._wrong) < ADDRESSES_MAX else _OTHERS
