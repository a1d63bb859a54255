"""People passing, out of the words that a gate or a pressure mat says: one beam, two beams, or a mat without a direction.

    one word a passage          `words = {I = "in", O = "out"}`
    two light beams             `beams = ["A", "B"]`: A then B within `pair_ms` came in, B then A went out, one alone turned round
    a pressure mat              `words = {P = "step"}`: it knows no direction; every second step is one who came and one who left

Source: none; such gates are built from a light barrier and a small controller that sends a letter or a line.
"""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

Meaning = Literal["in", "out", "step"]


class Passed(Struct, frozen=True):
    """How many came and left."""

    came: int = 0
    left: int = 0

    def __add__(self, other: "Passed") -> "Passed":
        return Passed(self.came + other.came, self.left + other.left)


class Gate:
    """Words in, passages out. Times are the hub's, in milliseconds, and never run back."""

    def __init__(
        self, words: Mapping[str, Meaning], beams: tuple[str, str] | None, *, pair_ms: int, rest_ms: int
    ) -> None:
        self._words, self._beams = words, beams
        self._pair_ms, self._rest_ms = pair_ms, rest_ms
        self._broken: tuple[str, int] | None = None  # the beam that was broken first, and when
        self._steps = 0
        self._last_ms: dict[str, int] = {}

    def hear(self, word: str, at_ms: int) -> Passed | None:
        """Return who passed by this word; None for a word without a meaning. The same word again within the rest is a bounce."""
        is_beam = self._beams is not None and word in self._beams
        if not is_beam and word not in self._words:
            return None
        last_ms = self._last_ms.get(word)
        self._last_ms[word] = at_ms
        if last_ms is not None and at_ms - last_ms < self._rest_ms:
            return Passed()
        return self._beam(word, at_ms) if is_beam else self._word(self._words[word])

    def _word(self, meaning: Meaning) -> Passed:
        if meaning == "in":
            return Passed(came=1)
        if meaning == "out":
            return Passed(left=1)
        self._steps += 1
        return Passed() if self._steps % 2 else Passed(came=1, left=1)

    def _beam(self, word: str, at_ms: int) -> Passed:
        assert self._beams is not None, "only a gate with beams comes here"
        first = self._broken
        if first is None or first[0] == word or at_ms - first[1] > self._pair_ms:
            self._broken = (word, at_ms)
            return Passed()
        self._broken = None
        return Passed(came=1) if first[0] == self._beams[0] else Passed(left=1)
