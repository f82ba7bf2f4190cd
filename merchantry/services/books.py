"""One merchant's books recounted in memory: sums of what the ledger says, and every law found broken."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Row

from merchantry.domain import entries
from merchantry.domain.ledger import Account, EntryKind, canonical_bytes, commitment
from merchantry.domain.settlement import Schedule, local_day, period_at
from merchantry.services.ledger import BookedEntry, booked
from merchantry.services.totals import ALL, FIGURES

Figures = tuple[int, ...]
NOTHING: Figures = (0,) * len(FIGURES)
AVAILABLE_FIGURES = ("orders", "payable_minor")


class Law(StrEnum):
    """What must hold, whatever happened."""

    ENTRY_BALANCED = "every entry balances"
    ENTRY_SEQUENCE = "entries are numbered without gaps"
    ENTRY_COMMITTED = "every entry is committed to as it is"
    BALANCE = "balances are the sums of postings"
    DAILY_TOTAL = "daily totals are the sums of captures and refunds"
    DAILY_AVAILABLE = "daily available amounts are the sums of releases"
    ORDER_COMMISSION = "an order's commission is the sum of its split lines"
    PLATFORM_SIDE = "the platform's side mirrors the merchant's"
    STATEMENT = "a statement is its opening balance and its lines, as they were frozen"
    STATEMENT_LINE = "a statement's line says what its entry says"
    STATEMENT_CLAIMS = "what statements have closed and what they have not claimed is the available balance"
    PAYOUT = "what is in payout and paid out is the sum of the payouts"


@dataclass(frozen=True, slots=True)
class Broken:
    """A law that a row breaks: what was recounted, and what is stored."""

    law: Law
    row: str
    expected: str
    found: str


@dataclass(frozen=True, slots=True)
class SplitPart:
    """One line of an order as it was split."""

    category: str
    goods_minor: int
    shipping_minor: int
    commission_minor: int
    merchant_minor: int


@dataclass
class Books:
    """What the entries shown so far add up to."""

    merchant_id: UUID
    mall_zone: ZoneInfo
    schedules: tuple[Schedule, ...]
    entries_read: int = 0
    last_seq: int = 0
    broken: list[Broken] = field(default_factory=list)
    balances: dict[tuple[str, str], Figures] = field(default_factory=dict)
    daily_totals: dict[tuple[date, str, str], Figures] = field(default_factory=dict)
    daily_available: dict[tuple[date, str, date, date], Figures] = field(default_factory=dict)
    accrued: Counter[UUID | None] = field(default_factory=Counter)
    """Commission of the orders that are not released yet."""

    def report(self, law: Law, row: str, *, expected: object, found: object) -> None:
        """Remember a broken law."""
        self.broken.append(Broken(law, row, str(expected), str(found)))

    def add(self, row: Row[Any], parts: Sequence[SplitPart], queued: Row[Any] | None, side: Row[Any] | None) -> None:
        """The next stored entry, its order's split, its commitment, and the platform's entry beside it."""
        self.entries_read += 1
        name = f"entry {row.seq}"
        if row.seq != self.last_seq + 1:
            self.report(Law.ENTRY_SEQUENCE, name, expected=f"entry {self.last_seq + 1}", found=name)
        self.last_seq = row.seq
        try:
            entry = booked(row)
        except (ValueError, TypeError) as error:
            self.report(Law.ENTRY_BALANCED, name, expected="postings that sum to zero", found=error)
            return
        for posting in entry.entry.postings:
            key = (posting.account, posting.currency)
            self.balances[key] = _added(self.balances.get(key, (0,)), (posting.amount_minor,))
        self._check_commitment(name, entry, queued)
        self._check_platform_side(name, entry, side)
        self._count(name, entry, parts)

    def _check_commitment(self, name: str, entry: BookedEntry, queued: Row[Any] | None) -> None:
        found = bytes(queued.commitment).hex() if queued else "no commitment"
        try:
            canonical = canonical_bytes(self.merchant_id, entry.seq, entry.entry, entry.booked_at)
        except ValueError as error:
            self.report(Law.ENTRY_COMMITTED, name, expected=found, found=error)
            return
        expected = commitment(entry.salt, canonical).hex()
        if found != expected:
            self.report(Law.ENTRY_COMMITTED, name, expected=expected, found=found)

    def _check_platform_side(self, name: str, entry: BookedEntry, side: Row[Any] | None) -> None:
        booked, order_id = entry.entry, entry.entry.order_id
        currency = booked.postings[0].currency
        if booked.kind is EntryKind.RELEASE:
            earned = self.accrued.pop(order_id, 0)
            mirrored = entries.platform_release(earned, currency)
        else:
            was_released = booked.kind is not EntryKind.CAPTURE and order_id not in self.accrued
            mirrored = entries.platform_side(booked, earned=was_released)
            if not was_released:
                self.accrued[order_id] += sum(amount for _, amount in _of_account(entry, Account.PLATFORM_COMMISSION))
        expected: Counter[tuple[str, str]] = Counter()
        for posting in mirrored:
            expected[posting.account, posting.currency] += posting.amount_minor
        found: Counter[tuple[str, str]] = Counter()
        for account, each, amount_minor in zip(*_postings(side), strict=True):
            found[account, each] += amount_minor
        if _without_zeros(expected) != _without_zeros(found):
            self.report(Law.PLATFORM_SIDE, name, expected=_shown(expected), found=_shown(found))

    def _count(self, name: str, entry: BookedEntry, parts: Sequence[SplitPart]) -> None:
        kind, occurred_at = entry.entry.kind, entry.entry.occurred_at
        currency = entry.entry.postings[0].currency
        if kind in (EntryKind.CAPTURE, EntryKind.REFUND):
            sign = 1 if kind is EntryKind.CAPTURE else -1
            booked_minor = sum(amount for _, amount in _of_account(entry, Account.PLATFORM_COMMISSION))
            split_minor = sign * sum(part.commission_minor for part in parts)
            if booked_minor != split_minor:
                self.report(Law.ORDER_COMMISSION, name, expected=split_minor, found=booked_minor)
            self._count_day(local_day(occurred_at, self.mall_zone), currency, kind, parts)
        elif kind is EntryKind.RELEASE:
            period = period_at(occurred_at, self.schedules)
            key = (local_day(occurred_at, self.mall_zone), currency, period.starts_on, period.ends_on)
            payable = sum(amount for _, amount in _of_account(entry, Account.MERCHANT_AVAILABLE))
            self.daily_available[key] = _added(self.daily_available.get(key, (0, 0)), (1, payable))

    def _count_day(self, day: date, currency: str, kind: EntryKind, parts: Sequence[SplitPart]) -> None:
        is_capture = kind is EntryKind.CAPTURE
        for category in {ALL, *(part.category for part in parts)}:
            counted = [part for part in parts if category in (ALL, part.category)]
            goods = sum(part.goods_minor for part in counted)
            shipping = sum(part.shipping_minor for part in counted)
            commission = sum(part.commission_minor for part in counted)
            sold, refunded = (1, goods, shipping, commission, 0, 0), (0, 0, 0, 0, goods + shipping, commission)
            key = (day, currency, category)
            self.daily_totals[key] = _added(self.daily_totals.get(key, NOTHING), sold if is_capture else refunded)

    def check_sequence(self, given: int | None) -> None:
        """The counter of entries stands where the ledger ends."""
        if given != self.last_seq:
            self.report(Law.ENTRY_SEQUENCE, "counter entry", expected=self.last_seq, found=given)

    def check(
        self, law: Law, table: str, names: Sequence[str], kept: Mapping[Any, Figures], counted: Mapping[Any, Figures]
    ) -> None:
        """Every row that is kept, or should be, equals what was counted. ``names`` are those of the figures."""
        for key in sorted(kept.keys() | counted.keys()):
            held, right = kept.get(key), counted.get(key)
            if held != right:
                row = f"{table} {' '.join(map(str, key))}"
                self.report(law, row, expected=_named(names, right), found=_named(names, held))


def _named(names: Sequence[str], figures: Figures | None) -> str:
    if figures is None:
        return "no row"
    return ", ".join(f"{name} {figure}" for name, figure in zip(names, figures, strict=True))


def _of_account(entry: BookedEntry, account: Account) -> list[tuple[str, int]]:
    return [(each.currency, each.amount_minor) for each in entry.entry.postings if each.account == account]


def _postings(side: Row[Any] | None) -> tuple[Sequence[Any], Sequence[Any], Sequence[Any]]:
    return (side.account, side.currency, side.amount) if side else ((), (), ())


def _added(held: Figures, more: Figures) -> Figures:
    return tuple(map(sum, zip(held, more, strict=True)))


def _without_zeros(sums: Mapping[tuple[str, str], int]) -> dict[tuple[str, str], int]:
    return {(str(account), currency): amount for (account, currency), amount in sums.items() if amount}


def _shown(sums: Mapping[tuple[str, str], int]) -> str:
    parts = [f"{account} {amount} {currency}" for (account, currency), amount in sorted(_without_zeros(sums).items())]
    return ", ".join(parts) or "nothing"
