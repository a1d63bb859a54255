"""What asyncio.Lock is to the product, without a loop: whoever waits goes on when the one before has gone, in their order."""

from collections import deque

from sync.testing.sim_database import Answer


class Turns:
    """One at a time."""

    def __init__(self) -> None:
        self._is_taken = False
        self._waiting: deque[Answer[None]] = deque()

    async def __aenter__(self) -> None:
        if self._is_taken:
            turn: Answer[None] = Answer()
            self._waiting.append(turn)
            await turn
        self._is_taken = True

    async def __aexit__(self, *_: object) -> None:
        if self._waiting:
            turn = self._waiting.popleft()
            turn.set_result(None)
            turn.resume()
        else:
            self._is_taken = False
