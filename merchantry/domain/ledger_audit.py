"""Auditing a merchant's exported ledger, with nothing but the file and the public log's leaves (docs/verify.md).

A line of the file is one JSON object: ``entry`` and ``balances`` as ``{canonical, salt}``, ``buyer`` as
``{commitment}``, as in receipts; the last two are null for entries from before they were bound into leaves.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from merchantry.domain.errors import MarketError
from merchantry.domain.leaf import BookedEntry, running
from merchantry.domain.ledger import Entry, EntryKind, Posting
from merchantry.domain.receipt import Shown

MOST: Final = 100
"""Findings that are kept; the others are counted."""

WRITTEN_OFF: Final = "written_off"
"""The detail of an adjustment that stands for entries that a restore lost: pairs of first and last number."""

PAIR: Final = 2

_UNREADABLE: Final = (ValueError, TypeError, KeyError, AttributeError, MarketError)


class LedgerFileError(ValueError):
    """A line is no entry as it was exported."""


def exported(entry: Shown, balances: Shown | None, buyer: Shown | None) -> dict[str, Any]:
    """An entry as it stands in the file."""
    return {
        "entry": entry.document(),
        "balances": None if balances is None else balances.document(),
        "buyer": None if buyer is None else {"commitment": buyer.commitment.hex()},
    }


def read_line(line: str | bytes) -> tuple[UUID, BookedEntry]:
    """Whose entry a line is, and the entry. Raises LedgerFileError unless its bytes are canonical, to the last one."""
    try:
        document = json.loads(line)
        canonical, balances = document["entry"]["canonical"], document["balances"]
        stated = json.loads(canonical)
        merchant_id = UUID(stated["merchant_id"])
        made = _booked(stated, bytes.fromhex(document["entry"]["salt"]), balances)
        if made.canonical(merchant_id).decode() != canonical:
            raise LedgerFileError("the entry's text is not canonical")
        if balances is not None and made.balances_bytes(merchant_id).decode() != balances["canonical"]:
            raise LedgerFileError("the balances' text is not canonical")
        if balances is not None and document["buyer"] != {"commitment": made.buyer_commitment(merchant_id).hex()}:
            raise LedgerFileError("what the entry says to its buyer is not what the entry says")
    except _UNREADABLE as error:
        raise LedgerFileError(f"{type(error).__name__}: {error}") from error
    return merchant_id, made


def _booked(stated: Mapping[str, Any], salt: bytes, balances: Mapping[str, Any] | None) -> BookedEntry:
    entry = Entry(
        kind=EntryKind(stated["kind"]),
        order_id=None if stated["order_id"] is None else UUID(stated["order_id"]),
        occurred_at=datetime.fromisoformat(stated["occurred_at"]),
        available_at=None if stated["available_at"] is None else datetime.fromisoformat(stated["available_at"]),
        reverses=stated["reverses"],
        postings=tuple(
            Posting(each["account"], each["currency"], int(each["amount_minor"])) for each in stated["postings"]
        ),
        details=stated["details"],
    )
    after, balance_salt = None, None
    if balances is not None:
        after = tuple(int(each["balance_minor"]) for each in json.loads(balances["canonical"])["balances"])
        balance_salt = bytes.fromhex(balances["salt"])
    return BookedEntry(stated["seq"], entry, datetime.fromisoformat(stated["booked_at"]), salt, after, balance_salt)


@dataclass(frozen=True, slots=True)
class Accepted:
    """Numbers, first and last, that an entry stands for since two people gave up what a restore lost, in which case."""

    first: int
    last: int
    seq: int
    case: str


@dataclass
class LedgerAudit:
    """What the lines shown so far come to, and what is wrong with them.

    Show every line, then every leaf of the log in its order, then ask :meth:`finish`. ``waiting`` are leaves that the
    log has not shown yet, with the number of their entry.
    """

    merchant_id: UUID | None = None
    entries: int = 0
    last_seq: int = 0
    balances: dict[tuple[str, str], int] = field(default_factory=dict)
    waiting: dict[bytes, int] = field(default_factory=dict)
    last_logged: int = 0
    broken: list[str] = field(default_factory=list)
    faults: int = 0
    missing: list[tuple[int, int, int]] = field(default_factory=list)
    """Numbers that are not in the file, first and last, and the entry that comes behind them."""
    given_up: list[Accepted] = field(default_factory=list)
    accepted: list[str] = field(default_factory=list)
    """What is missing and was given up by an entry of this ledger; known once :meth:`finish` was asked."""

    def report(self, fault: str) -> None:
        """Remember a fault."""
        self.faults += 1
        if self.faults <= MOST:
            self.broken.append(fault)

    def add(self, line: str | bytes) -> None:
        """The file's next line."""
        self.entries += 1
        try:
            merchant_id, booked = read_line(line)
        except LedgerFileError as error:
            self.report(f"line {self.entries}: {error}")
            return
        name, expected = f"entry {booked.seq}", self.last_seq + 1
        if self.merchant_id not in (None, merchant_id):
            self.report(f"{name}: it is of merchant {merchant_id}, and the file of {self.merchant_id}")
        if booked.seq > expected:
            self.missing.append((expected, booked.seq - 1, booked.seq))
        elif booked.seq < expected:
            self.report(f"{name}: entry {expected} should come next")
        if booked.entry.kind is EntryKind.ADJUSTMENT:
            self.given_up += _given_up(booked)
        self.merchant_id, self.last_seq = merchant_id, booked.seq
        self._check_balances(name, booked)
        if self.waiting.setdefault(booked.leaf(merchant_id), booked.seq) != booked.seq:
            self.report(f"{name}: it has the leaf of another entry")

    def _check_balances(self, name: str, booked: BookedEntry) -> None:
        for posting in booked.entry.postings:
            key = (posting.account, posting.currency)
            self.balances[key] = self.balances.get(key, 0) + posting.amount_minor
        if booked.balances is None:
            return
        for account, currency, stated_minor in running(booked.entry, booked.balances):
            counted_minor = self.balances[account, currency]
            if stated_minor != counted_minor:
                self.report(f"{name}: {account} stands at {counted_minor} {currency} and is stated as {stated_minor}")

    def see(self, leaf: bytes, index: int) -> None:
        """The log's next leaf, whoever's it is."""
        seq = self.waiting.pop(leaf, None)
        if seq is None:
            return
        if seq <= self.last_logged:
            self.report(f"entry {seq}: its leaf {index} stands behind that of entry {self.last_logged}")
        self.last_logged = max(self.last_logged, seq)

    def finish(self) -> int:
        """Report entries that the log or the file lacks. Returns how many come after all that the log has, newer than
        its head."""
        for first, last, behind in self.missing:
            self._judge_missing(first, last, behind)
        newer = 0
        for seq in self.waiting.values():
            if seq > self.last_logged:
                newer += 1
            else:
                self.report(f"entry {seq}: the log has no leaf of it as it is stated")
        if newer and not self.last_logged:
            self.report("the log has none of these entries")
        return newer

    def _judge_missing(self, first: int, last: int, behind: int) -> None:
        """What a restore lost and two people wrote off is said to be so; what nobody gave up is a fault."""
        while first <= last:
            ahead = [each for each in self.given_up if each.last >= first]
            by = min(ahead, key=lambda each: each.first, default=None)
            if by is None or by.first > first:
                self.report(f"entry {behind}: entry {first} should come next")
                if by is None:
                    return
                first = by.first
                continue
            until = min(last, by.last)
            named = f"entry {first}" if first == until else f"entries {first} to {until}"
            self.accepted.append(f"{named}: lost by a restore and written off by entry {by.seq}, case {by.case}")
            first = until + 1


def _given_up(booked: BookedEntry) -> list[Accepted]:
    """What an adjustment says that it stands for."""
    ranges, case = booked.entry.details.get(WRITTEN_OFF), booked.entry.details.get("case")
    found = []
    for each in ranges if isinstance(ranges, list | tuple) else ():
        if isinstance(each, list | tuple) and len(each) == PAIR and all(type(number) is int for number in each):
            first, last = each
            if isinstance(first, int) and isinstance(last, int) and first <= last < booked.seq:
                found.append(Accepted(first, last, booked.seq, str(case)))
    return found
