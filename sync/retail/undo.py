"""Facts that undo facts: a release, an untag, an opt-in name the dots they have seen; what nobody has undone stands.

    written beside an undo, not seen by it      stands: the undo did not mean it
    written again after an undo                 stands: it is another fact, with a key and a dot of its own
    rewritten by a fork repair (key, new dot)   stays undone, as long as the former dot is known beside the new one
    an undo                                     is final; to have a thing again, write it again

A fact whose key is made anew for each write, and that travels in a scope (where its dot is the scope's), is named by that key
instead: it names one write as a dot does.

An opt-out is undone by the opt-ins that have seen it: of a person with an opt-out that stands nothing is sent.
Both sets only grow, so order and repetition mean nothing. Pure. Source: the design, 3.2; Shapiro et al., "A comprehensive
study of convergent and commutative replicated data types" (2011), observed-remove set.
"""

from collections.abc import Iterable
from typing import TypeVar

SEEN_MAX = 100  # dots that one undo may name; a longer one is written as several
Key = TypeVar("Key")
Name = TypeVar("Name")


def standing(written: Iterable[tuple[Key, Name]], undone: Iterable[Name]) -> frozenset[Key]:
    """Return the keys of which no name (a dot) was undone; a key may come with several (fork repair), all of them are its own."""
    gone = frozenset(undone)
    facts = list(written)
    return frozenset(key for key, _ in facts) - frozenset(key for key, dot in facts if dot in gone)
