"""One merchant's books recounted in memory: sums of what the ledger says, and every law found broken."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Row

from merchantry.domain import entries
from merchantry.domain.entries import Collector
from merchantry.domain.errors import MarketError
from merchantry.domain.leaf import BookedEntry
from merchantry.domain.ledger import Account, Entry, EntryKind, Json, PlatformAccount, Posting
from merchantry.domain.line_split import LineSplit
from merchantry.domain.seller import PLATFORM_PART, PURCHASE, SALES, SellerOfRecord, is_purchase, sale_details
from merchantry.domain.settlement import Schedule, local_day, period_at
from merchantry.services import payment_fee, totals
from merchantry.services.ledger import booked
from merchantry.services.lost_books import Lost, stands_for_lost
from merchantry.services.split import PARTIES
from merchantry.services.totals import FIGURES, LineFigures
from merchantry.services.volume import FIGURES as VOLUME_FIGURES
from merchantry.services.volume_books import VolumeBooks
from merchantry.services.volume_refund import rows_of

Figures = tuple[int, ...]
NOTHING: Figures = (0,) * len(FIGURES)
TAKEN_BACK = (EntryKind.REFUND, EntryKind.CHARGEBACK, EntryKind.CHARGEBACK_REVERSED)
UNREADABLE = (ValueError, TypeError, AttributeError, MarketError)
"""What a stored row raises that is no entry."""

AVAILABLE_FIGURES = ("orders", "payable_minor")


class Law(StrEnum):
    """What must hold, whatever happened."""

    ENTRY_BALANCED = "every entry balances"
    ENTRY_SEQUENCE = "entries are numbered without gaps"
    ENTRY_COMMITTED = "every entry is committed to as it is"
    RUNNING_BALANCE = "the balances after each entry are the sums of postings so far"
    BALANCE = "balances are the sums of postings"
    DAILY_TOTAL = "daily totals are the sums of captures and refunds"
    DAILY_AVAILABLE = "daily available amounts are the sums of releases"
    ORDER_COMMISSION = "an order's money is divided as its split lines say, party by party"
    SALES = "what the platform sells itself, and nothing else, is its revenue"
    SPLIT_LINE = "a split line's parts are those of its computation"
    RELEASE = "a release moves what is left of the merchant's part"
    VOLUME = "volumes are the sums of split lines, and true-ups follow from them"
    PLATFORM_SIDE = "the platform's side mirrors the merchant's"
    STATEMENT = "a statement is its opening balance and its lines, as they were frozen"
    STATEMENT_LINE = "a statement's line says what its entry says"
    STATEMENT_CLAIMS = "what statements have closed and what they have not claimed is the available balance"
    INVOICE = "a document says what its statement's entries charge, or what was bought with them"
    REFUND = "what was refunded is the sum of the refunds, each as its entry was booked"
    PAYOUT = "what is in payout and paid out is the sum of the payouts"


@dataclass(frozen=True, slots=True)
class Broken:
    """A law that a row breaks: what was recounted, and what is stored."""

    law: StrEnum
    row: str
    expected: str
    found: str


@dataclass(frozen=True, slots=True)
class SplitPart:
    """One line of an order as it was split: its computation, and the parts as they stand in its row."""

    id: UUID
    category: str
    collected_by: Collector
    seller: SellerOfRecord
    plan: tuple[str, int]
    split: LineSplit
    parts: Figures


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
    accrued: dict[UUID | None, Counter[PlatformAccount]] = field(default_factory=dict)
    """What the platform's side has of the orders that are not released yet."""
    unreleased: Counter[UUID | None] = field(default_factory=Counter)
    """The merchant's side of those orders."""
    lost: Lost = field(default_factory=Lost)
    """What a restore lacks, and people have accepted."""
    volumes: VolumeBooks = field(init=False)

    def __post_init__(self) -> None:
        self.volumes = VolumeBooks(self.schedules)

    def report(self, law: Law, row: str, *, expected: object, found: object) -> None:
        """Remember a broken law."""
        self.broken.append(Broken(law, row, str(expected), str(found)))

    def report_once(self, law: Law, row: str, *, expected: object, found: object) -> None:
        """Remember a broken law that is met again with every entry about the row."""
        if Broken(law, row, str(expected), str(found)) not in self.broken:
            self.report(law, row, expected=expected, found=found)

    def add(self, row: Row[Any], parts: Sequence[SplitPart], logged: bytes | None, side: Row[Any] | None) -> None:
        """The next stored entry, its order's split, its leaf in the log or the queue, and the platform's entry."""
        self.entries_read += 1
        name = f"entry {row.seq}"
        expected = self.lost.expected_after(self.last_seq)
        if row.seq != expected:
            self.report(Law.ENTRY_SEQUENCE, name, expected=f"entry {expected}", found=name)
        self.last_seq = row.seq
        try:
            entry = booked(row)
        except UNREADABLE as error:
            self.report(Law.ENTRY_BALANCED, name, expected="postings that sum to zero", found=error)
            return
        for posting in entry.entry.postings:
            key = (posting.account, posting.currency)
            self.balances[key] = _added(self.balances.get(key, (0,)), (posting.amount_minor,))
        self._check_running(name, entry)
        self._check_commitment(name, entry, logged)
        self._check_platform_side(name, entry, side)
        self._count(name, entry, parts)

    def _check_running(self, name: str, entry: BookedEntry) -> None:
        if entry.balances is None:
            return
        counted = tuple(self.balances[posting.account, posting.currency][0] for posting in entry.entry.postings)
        if entry.balances != counted:
            self.report(Law.RUNNING_BALANCE, name, expected=counted, found=entry.balances)

    def _check_commitment(self, name: str, entry: BookedEntry, logged: bytes | None) -> None:
        found = logged.hex() if logged else "no commitment"
        try:
            expected = entry.leaf(self.merchant_id).hex()
        except ValueError as error:
            self.report(Law.ENTRY_COMMITTED, name, expected=found, found=error)
            return
        if found != expected:
            self.report(Law.ENTRY_COMMITTED, name, expected=expected, found=found)

    def _check_platform_side(self, name: str, entry: BookedEntry, side: Row[Any] | None) -> None:
        booked, order_id = entry.entry, entry.entry.order_id
        currency = booked.postings[0].currency
        if stands_for_lost(booked.details):
            self._count_adjusted(booked)
            mirrored: tuple[Posting, ...] = ()
        elif booked.kind is EntryKind.RELEASE:
            mirrored = entries.platform_release(self.accrued.pop(order_id, {}), currency)
        else:
            is_late = booked.kind in (EntryKind.TIER_TRUE_UP, EntryKind.TRUE_UP_TAKEN_BACK)
            was_released = booked.kind is not EntryKind.CAPTURE and order_id not in self.accrued
            mirrored = entries.platform_side(booked, earned=was_released or is_late)
            if not (was_released or is_late):
                self.accrued.setdefault(order_id, Counter()).update(entries.accrued([booked]))
        expected: Counter[tuple[str, str]] = Counter()
        for posting in mirrored:
            expected[posting.account, posting.currency] += posting.amount_minor
        found: Counter[tuple[str, str]] = Counter()
        for account, each, amount_minor in zip(*_postings(side), strict=True):
            found[account, each] += amount_minor
        if _without_zeros(expected) != _without_zeros(found):
            self.report(Law.PLATFORM_SIDE, name, expected=_shown(expected), found=_shown(found))

    def _count_adjusted(self, entry: Entry) -> None:
        """Its platform's side stands with the entries that are lost."""
        for posting in entry.postings:
            if Account(posting.account) in entries.MIRRORED:
                self.lost.adjusted[str(posting.account), posting.currency] += posting.amount_minor

    def _count(self, name: str, entry: BookedEntry, parts: Sequence[SplitPart]) -> None:
        kind, day = entry.entry.kind, local_day(entry.entry.occurred_at, self.mall_zone)
        unreleased = sum(_of(entry, account) for account in entries.UNRELEASED.values())
        if unreleased and kind is not EntryKind.RELEASE:
            self.unreleased[entry.entry.order_id] += unreleased
        if kind is EntryKind.CAPTURE:
            self._check_capture(name, entry, parts)
            self._count_day(day, entry, [totals.captured(part.category, part.split) for part in parts], orders=1)
        elif kind in TAKEN_BACK:
            self._count_day(day, entry, _taken_back(entry.entry, parts), orders=0)
            currency = entry.entry.postings[0].currency
            at, seller = entry.entry.occurred_at, _seller(entry.entry)
            self.volumes.take_out(entry.seq, rows_of(entry.entry), currency, at, seller)
        elif kind is EntryKind.TIER_TRUE_UP:
            self._count_day(day, entry, self._trued_up(name, entry, parts), orders=0)
        elif kind is EntryKind.TRUE_UP_TAKEN_BACK:
            self._count_day(day, entry, self._true_up_taken_back(name, entry), orders=0)
        elif kind is EntryKind.FEE_TRUE_UP:
            self._count_day(day, entry, _fee_trued_up(entry, parts), orders=0)
        elif kind is EntryKind.RELEASE:
            self._count_release(name, entry, parts)

    def _check_capture(self, name: str, entry: BookedEntry, parts: Sequence[SplitPart]) -> None:
        lines, booked = [part.split for part in parts], entry.entry
        if not parts:
            return
        for part in parts:
            frozen = tuple(getattr(part.split, party) for party in PARTIES)
            if frozen != part.parts:
                row = f"split line {part.id}"
                self.report(Law.SPLIT_LINE, row, expected=_named(PARTIES, frozen), found=_named(PARTIES, part.parts))
        currency = booked.postings[0].currency
        expected = {(str(account), currency): amount for account, amount in self._captured(parts).items()}
        found = Counter[tuple[str, str]]()
        for posting in booked.postings:
            found[posting.account, posting.currency] += posting.amount_minor
        if _without_zeros(expected) != _without_zeros(found):
            self.report(Law.ORDER_COMMISSION, name, expected=_shown(expected), found=_shown(found))
        self._check_sale(name, booked, lines, parts[0].seller)
        self.volumes.count(booked.order_id, parts[0].plan, lines, currency, booked.occurred_at, parts[0].seller)

    def _check_sale(self, name: str, booked: Entry, lines: Sequence[LineSplit], seller: SellerOfRecord) -> None:
        """What the platform sells itself, and only that, is its revenue."""
        self._check_sale_details(name, booked, sale_details(seller, sales_minor=entries.revenue(lines)))

    def _check_sale_details(self, name: str, booked: Entry, expected: Mapping[str, Json]) -> None:
        found = {each: booked.details[each] for each in (SALES, PURCHASE) if each in booked.details}
        if expected != found:
            self.report(Law.SALES, name, expected=expected, found=found)

    def _captured(self, parts: Sequence[SplitPart]) -> Mapping[Account, int]:
        return entries.captured([part.split for part in parts], parts[0].collected_by, parts[0].seller)

    def _trued_up(self, name: str, entry: BookedEntry, parts: Sequence[SplitPart]) -> list[LineFigures]:
        rule = str(entry.entry.details.get("rule"))
        found = _platform_part(entry), _of(entry, Account.COMMISSION_TAX)
        expected = self.volumes.due.pop((entry.entry.order_id, rule), 0)
        if found[0] != expected:
            self.report(Law.VOLUME, name, expected=expected, found=found[0])
        of_rule = [part for part in parts if part.split.commission.rule == rule][:1]
        details, currency = entry.entry.details, entry.entry.postings[0].currency
        window = datetime.fromisoformat(str(details["window_starts_at"]))
        key = (str(details["plan"]), rule, currency, window, _seller(entry.entry))
        self.volumes.true_up(key, entry.seq, found[1])
        return [totals.trued_up(part.category, *found) for part in of_rule]

    def _true_up_taken_back(self, name: str, entry: BookedEntry) -> list[LineFigures]:
        found = _platform_part(entry), _of(entry, Account.COMMISSION_TAX)
        expected = self.volumes.owed.pop(entry.entry.reverses or 0, (0, 0))
        if found != expected:
            self.report(Law.VOLUME, name, expected=expected, found=found)
        rows = entry.entry.details.get("categories", ())
        by_category = rows if isinstance(rows, list | tuple) else ()
        return [
            totals.true_up_taken_back(str(row[0]), _int(row[1]), _int(row[2]))
            for row in by_category
            if isinstance(row, list | tuple)
        ]

    def _count_release(self, name: str, entry: BookedEntry, parts: Sequence[SplitPart]) -> None:
        booked, payable = entry.entry, _of(entry, Account.MERCHANT_AVAILABLE)
        if parts:
            self._check_sale_details(name, booked, sale_details(parts[0].seller, purchase_minor=payable))
        left = self.unreleased.pop(booked.order_id, 0)
        if payable != left:
            self.report(Law.RELEASE, name, expected=left, found=payable)
        period = period_at(booked.occurred_at, self.schedules)
        day = local_day(booked.occurred_at, self.mall_zone)
        key = (day, booked.postings[0].currency, period.starts_on, period.ends_on)
        self.daily_available[key] = _added(self.daily_available.get(key, (0, 0)), (1, payable))

    def _count_day(self, day: date, entry: BookedEntry, lines: Sequence[LineFigures], *, orders: int) -> None:
        currency = entry.entry.postings[0].currency
        for category, sums in totals.by_category(lines, orders=orders).items():
            key = (day, currency, category)
            more = tuple(sums[name] for name in FIGURES)
            self.daily_totals[key] = _added(self.daily_totals.get(key, NOTHING), more)

    def check_volumes(self, kept: Mapping[Any, Figures]) -> None:
        """Volumes are what was counted, and every true-up that is due was booked."""
        self.check(Law.VOLUME, "volume", VOLUME_FIGURES, kept, self.volumes.rows())
        for (order_id, rule), amount_minor in self.volumes.due.items():
            self.report(Law.VOLUME, f"true-up of {rule} by order {order_id}", expected=amount_minor, found="no entry")
        for seq, owed in self.volumes.owed.items():
            self.report(Law.VOLUME, f"true-up taken back by entry {seq}", expected=owed, found="no entry")

    def check_sequence(self, given: int | None) -> None:
        """The counter of entries stands where the ledger ends, or what is lost behind its end."""
        expected = self.lost.expected_after(self.last_seq) - 1
        if given != expected:
            self.report(Law.ENTRY_SEQUENCE, "counter entry", expected=expected, found=given)

    def check_adjusted(self) -> None:
        """What stands for lost entries says what the platform's side of them says."""
        sides, adjusted = _without_zeros(self.lost.sides), _without_zeros(self.lost.adjusted)
        if sides != adjusted and not self.lost.is_open:
            self.report(Law.PLATFORM_SIDE, "lost entries", expected=_shown(sides), found=_shown(adjusted))

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


def _seller(entry: Entry) -> SellerOfRecord:
    return SellerOfRecord.PRINCIPAL if is_purchase(entry.details) else SellerOfRecord.AGENT


def _platform_part(entry: BookedEntry) -> int:
    return sum(_of(entry, account) for account in PLATFORM_PART.values())


def _of(entry: BookedEntry, account: Account) -> int:
    return sum(each.amount_minor for each in entry.entry.postings if each.account == account)


def _taken_back(entry: Entry, parts: Sequence[SplitPart]) -> list[LineFigures]:
    """What a refund or a chargeback counts by category, as its details say; they are committed to.

    One from before refunds said so was of a whole order.
    """
    rows = entry.details.get("categories")
    if rows is None:
        splits = [(part.category, part.split) for part in parts]
        return [
            totals.taken_back(category, split.paid_minor, split.charged_minor, split.merchant_minor)
            for category, split in splits
        ]
    found = rows if isinstance(rows, list | tuple) else ()
    return [totals.taken_back(str(row[0]), *map(_int, row[1:])) for row in found if isinstance(row, list | tuple)]


def _int(value: Json) -> int:
    return value if isinstance(value, int) else int(str(value))


def _fee_trued_up(entry: BookedEntry, parts: Sequence[SplitPart]) -> list[LineFigures]:
    """By category, as the details say, with every category that the order touches; those of before do not say."""
    rows = entry.entry.details.get("categories")
    if not isinstance(rows, list | tuple):
        actual_minor = _int(entry.entry.details["actual_minor"])
        of_merchant, _ = payment_fee.changes([part.split for part in parts], actual_minor)
        return [payment_fee.figures(part.category, change) for part, change in zip(parts, of_merchant, strict=True)]
    touched = [payment_fee.figures(part.category, 0) for part in parts]
    return touched + [payment_fee.figures(str(row[0]), _int(row[1])) for row in rows if isinstance(row, list | tuple)]


def _postings(side: Row[Any] | None) -> tuple[Sequence[Any], Sequence[Any], Sequence[Any]]:
    return (side.account, side.currency, side.amount) if side else ((), (), ())


def _added(held: Figures, more: Figures) -> Figures:
    return tuple(map(sum, zip(held, more, strict=True)))


def _without_zeros(sums: Mapping[tuple[str, str], int]) -> dict[tuple[str, str], int]:
    return {(str(account), currency): amount for (account, currency), amount in sums.items() if amount}


def _shown(sums: Mapping[tuple[str, str], int]) -> str:
    parts = [f"{account} {amount} {currency}" for (account, currency), amount in sorted(_without_zeros(sums).items())]
    return ", ".join(parts) or "nothing"
