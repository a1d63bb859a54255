"""Wrong guesses of a secret, by who guessed: one rule for the PINs of cashiers and for pairing codes.

    guess     FREE wrong ones cost nothing, then each waits twice as long as the one before, up to a longest wait
    locked    where the rule says so: after so many nobody may guess until a person unlocks
    right     begins anew

A guess is counted before it is looked at, or in the same commit: guesses made at once wait like those made one after the other,
and a restart forgets none. Counts are this hub's own. Not here: what is guessed (hub.store.staff.sign_ins,
hub.store.staff.tills).
"""

from sqlite3 import Connection

from msgspec import Struct

ADDRESSES_MAX = 256  # whose wrong pairing codes are told apart; beyond it strangers share one count
FORGET_MS = 3_600_000  # a stranger's wrong codes are forgotten after this, as long as a code lives
_ADDRESSES = ("address:", "address;")  # the names in between


class Guessing(Struct, frozen=True):
    """Who may guess how often: `doublings` of the first wait make the longest one; 0 for `locked_at` locks nobody."""

    free: int
    wait_ms: int
    doublings: int
    locked_at: int = 0

    def wait_after(self, wrong: int) -> int:
        """Return how many milliseconds the next guess waits after so many wrong ones."""
        return 0 if wrong < self.free else self.wait_ms << min(wrong - self.free, self.doublings)


CASHIER = Guessing(3, 5_000, 6, locked_at=10)  # a slip of the finger costs nothing; 5, 10, 20 … 320 seconds; locked
TILL = Guessing(10, 60_000, 0)  # one PIN is not tried on everybody; a till waits, it is never locked
ADDRESS = Guessing(5, 5_000, 6)  # a code has 40 bits and lives for an hour


def is_locked(read: Connection, who: str, rule: Guessing) -> bool:
    """Whether nobody may guess any more until a person unlocks."""
    return bool(rule.locked_at) and wrong_of(read, who)[0] >= rule.locked_at


def left_s(read: Connection, who: str, rule: Guessing, *, now_ms: int) -> int:
    """Return in how many seconds the next guess may be made; a clock that was set back makes nobody wait longer than meant."""
    wrong, at_ms = wrong_of(read, who)
    longest_ms = rule.wait_after(wrong)
    left_ms = at_ms + longest_ms - now_ms
    return -(-left_ms // 1000) if 0 < left_ms <= longest_ms else 0


def count(tx: Connection, who: str, *, now_ms: int) -> None:
    """Count a guess as wrong."""
    tx.execute(
        """
        INSERT INTO pin_guess (who, wrong, at_ms) VALUES (?, 1, ?)
        ON CONFLICT (who) DO UPDATE SET wrong = wrong + 1, at_ms = excluded.at_ms
        """,
        (who, now_ms),
    )


def take_back(tx: Connection, who: str) -> None:
    """A guess that was counted was none."""
    tx.execute("UPDATE pin_guess SET wrong = max(0, wrong - 1) WHERE who = ?", (who,))


def forget(tx: Connection, who: str) -> bool:
    """Begin anew; return whether there was anything."""
    return bool(tx.execute("DELETE FROM pin_guess WHERE who = ?", (who,)).rowcount)


def stranger(tx: Connection, remote: str, *, now_ms: int) -> str:
    """Return under which name a stranger's guesses are counted; the table stays bounded."""
    who = f"address:{remote}"
    if wrong_of(tx, who)[0]:
        return who
    tx.execute("DELETE FROM pin_guess WHERE who > ? AND who < ? AND at_ms < ?", (*_ADDRESSES, now_ms - FORGET_MS))
    told_apart = tx.execute("SELECT count(*) FROM pin_guess WHERE who > ? AND who < ?", _ADDRESSES).fetchone()[0]
    return who if told_apart < ADDRESSES_MAX else "address:*"


def wrong_of(read: Connection, who: str) -> tuple[int, int]:
    """Return how many wrong guesses there were, and when the last one was."""
    row = read.execute("SELECT wrong, at_ms FROM pin_guess WHERE who = ?", (who,)).fetchone()
    return row if row else (0, 0)
