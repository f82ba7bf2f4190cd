"""What must hold in the public log, and what a look at it has found so far."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from merchantry.services.books import Broken

MOST = 100
"""Rows that are named where many break the same law."""


class LogLaw(StrEnum):
    """What must hold, whatever happened."""

    ENTRY_LOGGED = "every entry has exactly one leaf, in its order, and every leaf its entry"
    ENTRY_LEAF = "a leaf is made of its entry as it is stored"
    EVENT_LOGGED = "every audit event that says so has its leaf, and every leaf its event"
    LEAVES = "leaves are numbered from 0 without gaps, and each is somebody's"
    TILE = "a stored tile is made of the leaves below it"
    HEAD = "a signed head is the root over its leaves, and the newest covers all of them"
    SIGNATURE = "a head bears signatures of the log's own keys and no others"
    COSIGNATURE = "a cosignature is its witness's, over a head of this log"
    KEY = "the log's keys are written as they are given out, all of its name"
    TRUSTED = "the log begins with the tree of every head that was kept elsewhere"


@dataclass
class Findings:
    """Broken laws, the first rows of each by name and how many others there are."""

    broken: list[Broken] = field(default_factory=list)
    counts: Counter[StrEnum] = field(default_factory=Counter)

    def report(self, law: StrEnum, row: str, *, expected: object, found: object) -> None:
        """Remember a broken law."""
        self.counts[law] += 1
        if self.counts[law] <= MOST:
            self.broken.append(Broken(law, row, str(expected), str(found)))

    def all(self) -> tuple[Broken, ...]:
        """What was found, with how much more there is."""
        more = [
            Broken(law, "further rows", "0", str(count - MOST)) for law, count in self.counts.items() if count > MOST
        ]
        return (*self.broken, *more)


def subject(kind: object, seq: object, event_id: object) -> str:
    """What a leaf is of, as people say it."""
    return f"{'audit event' if kind == 'audit_event' else kind} {event_id if seq is None else seq}"


def named(slugs: Mapping[UUID, str], merchant_id: UUID | None, of: str) -> str:
    """Whose it is, and what."""
    return f"{slugs.get(merchant_id, merchant_id) if merchant_id else 'nobody'} {of}"
