"""Closing a merchant's periods: statements that claim entries, reserves, invoices, and payouts planned from them.

All of a merchant's due periods are closed in one transaction, under the lock that orders the writers of its ledger: so
nothing is booked in between, and whoever comes second finds the work done.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Row, bindparam, exists, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import distinct_on

from merchantry.domain import closing, entries
from merchantry.domain import statement as statements
from merchantry.domain.act import Act
from merchantry.domain.closing import Claimable, Payable
from merchantry.domain.event import EventKind
from merchantry.domain.ledger import Account, Entry, EntryKind, Posting
from merchantry.domain.review import Outcome, RulesInForce, RuleSubject, Verdict, worst
from merchantry.domain.settlement import Period, Schedule, period_at
from merchantry.domain.statement import Statement, StatementLine
from merchantry.languages.language import Language
from merchantry.services import (
    audit,
    invoice,
    ledger,
    log_requirement,
    outbox,
    payee,
    payout,
    queue,
    review,
    review_rules,
)
from merchantry.services.log_requirement import LogRequirement
from merchantry.services.queue import JobKind
from merchantry.services.review_case import Reviewed
from merchantry.services.schedule import parsed, schedules_as_text
from merchantry.tables.merchant import balance, counter, ledger_entry, orders
from merchantry.tables.merchant_settlement import statement, statement_line
from merchantry.tables.platform import mall, merchant_profile
from merchantry.tables.settlement import settlement_terms
from tenancy.database import MerchantSession, PlatformSession
from tenancy.tables import merchant
from tenancy.writes import Changed, New, write

TICK = timedelta(microseconds=1)
COUNTERS = ("credit_note", "entry", "invoice", "payout", "self_billed", "self_billed_credit", "statement")
TEXTS: Mapping[EntryKind, str] = {
    EntryKind.RELEASE: "Sale",
    EntryKind.REFUND: "Refund",
    EntryKind.PAYOUT: "Payout",
    EntryKind.PAYOUT_CANCELLED: "Payout cancelled",
    EntryKind.PAYOUT_RETURNED: "Payout returned by the bank",
    EntryKind.RESERVE: "Risk reserve",
    EntryKind.RESERVE_RELEASED: "Risk reserve released",
    EntryKind.HOLD: "Held while disputed",
    EntryKind.HOLD_ENDED: "No longer held",
    EntryKind.ADJUSTMENT: "Adjustment",
    EntryKind.TIER_TRUE_UP: "Commission by volume",
    EntryKind.TRUE_UP_TAKEN_BACK: "Commission by volume taken back",
    EntryKind.FEE_TRUE_UP: "Payment fee corrected",
    EntryKind.CHARGEBACK: "Chargeback",
    EntryKind.CHARGEBACK_FEE: "Chargeback fee",
    EntryKind.CHARGEBACK_REVERSED: "Chargeback won",
    EntryKind.WRITE_OFF: "Debt written off",
    EntryKind.EXCHANGE: "Exchange",
}
"""What a statement calls the kinds of entries that change the available balance."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """What settling with a merchant is subject to; amounts in minor units by currency. ``rules`` judge its payouts."""

    merchant_id: UUID
    number: int
    slug: str
    category: str
    legal_name: str
    document_language: Language
    schedules: tuple[Schedule, ...]
    minimum_minor: Mapping[str, int]
    release_above_minor: Mapping[str, int]
    require_logged: LogRequirement
    reserve_bps: int
    reserve_days: int
    objection_days: int
    rules: RulesInForce | None


@dataclass(frozen=True, slots=True)
class PlannedPayout:
    """A payout that was planned, the entry that reserves its money, and what the review rules made of it."""

    id: UUID
    number: str
    currency: str
    amount_minor: int
    entry: Entry
    seq: int
    verdicts: tuple[Verdict, ...]


@dataclass(slots=True)
class Closed:
    """What one go at a merchant's periods came to. ``reviewed`` are the payouts as the rules judged them.

    ``waits_for_log``: a period has ended whose entries are not as far in the public log as the mall asks.
    """

    statements: list[UUID] = field(default_factory=list)
    payouts: list[UUID] = field(default_factory=list)
    reviewed: list[Reviewed] = field(default_factory=list)
    waits_for_log: bool = False


CONDITIONS = (
    select(
        merchant_profile.c.merchant_id,
        merchant_profile.c.number,
        merchant.c.slug,
        merchant_profile.c.category,
        merchant_profile.c.legal_name,
        merchant_profile.c.document_language,
        schedules_as_text().label("schedules"),
        settlement_terms.c.minimum_minor,
        mall.c.release_above_minor,
        mall.c.require_logged,
        settlement_terms.c.reserve_bps,
        settlement_terms.c.reserve_days,
        settlement_terms.c.objection_days,
        review_rules.in_force_as_text().label("rules"),
    )
    .join(merchant, merchant.c.id == merchant_profile.c.merchant_id)
    .join(settlement_terms, settlement_terms.c.merchant_id == merchant_profile.c.merchant_id)
    .join(mall, mall.c.id == 1)
    .where(merchant_profile.c.merchant_id == bindparam("merchant"))
)
LOCK = (
    select(counter.c.name, counter.c.value)
    .where(counter.c.name.in_(COUNTERS))
    .order_by(counter.c.name)
    .with_for_update()
)
LAST = (
    select(statement.c.currency, statement.c.ends_at, statement.c.closing_minor, statement.c.last_seq)
    .ext(distinct_on(statement.c.currency))
    .order_by(statement.c.currency, statement.c.ends_at.desc())
)
NEXT_PAYOUT = (
    update(counter).where(counter.c.name == "payout").values(value=counter.c.value + 1).returning(counter.c.value)
)
AVAILABLE = select(balance.c.currency, balance.c.amount_minor).where(balance.c.account == Account.MERCHANT_AVAILABLE)

_claim = statement_line.c
_posted = (
    func.unnest(ledger_entry.c.account, ledger_entry.c.currency)
    .table_valued("account", "currency")
    .render_derived("posted")
)
_IS_OPEN = (
    select(_posted.c.currency)
    .where(
        _posted.c.account == Account.MERCHANT_AVAILABLE.value,
        ~exists()
        .where(_claim.entry_seq == ledger_entry.c.seq, _claim.currency == _posted.c.currency)
        .correlate(ledger_entry, _posted),
    )
    .correlate(ledger_entry)
    .exists()
)
_CLAIMED_IN = (
    select(func.array_agg(_claim.currency))
    .where(_claim.entry_seq == ledger_entry.c.seq)
    .correlate(ledger_entry)
    .scalar_subquery()
)
UNCLAIMED = (
    select(
        ledger_entry.c.seq,
        ledger_entry.c.kind,
        orders.c.number,
        ledger_entry.c.available_at,
        ledger_entry.c.reverses,
        ledger_entry.c.account,
        ledger_entry.c.currency,
        ledger_entry.c.amount,
        ledger_entry.c.details,
        _CLAIMED_IN.label("claimed_in"),
    )
    .outerjoin(orders, orders.c.id == ledger_entry.c.order_id)
    .where(
        ledger_entry.c.available_at < bindparam("until"),
        or_(ledger_entry.c.available_at >= bindparam("since"), ledger_entry.c.seq > bindparam("after")),
        _IS_OPEN,
    )
    .order_by(ledger_entry.c.seq)
)
"""Entries of which a currency is not claimed yet: an exchange is a line of two statements, each claims its own."""


async def conditions_of(session: PlatformSession, merchant_id: UUID, at: datetime) -> Conditions:
    """The merchant's conditions, with the review rules in force at a moment; it must exist."""
    row = (await session.execute(CONDITIONS, {"merchant": merchant_id, "at": at})).one()
    facts = {
        "document_language": Language(row.document_language),
        "schedules": parsed(row.schedules),
        "release_above_minor": row.release_above_minor or {},
        "require_logged": LogRequirement(row.require_logged),
        "rules": review_rules.parsed(row.rules),
    }
    return Conditions(**{**row._asdict(), **facts})


async def unclaimed(session: MerchantSession, until: datetime) -> tuple[dict[str, int], dict[str, list[Claimable]]]:
    """The balances that the last statements closed with, and what has become available since, by currency."""
    last, found = await _unclaimed(session, until)
    return {currency: closing_minor for currency, (_, closing_minor) in last.items()}, found


async def _unclaimed(
    session: MerchantSession, until: datetime
) -> tuple[dict[str, tuple[datetime, int]], dict[str, list[Claimable]]]:
    rows = (await session.execute(LAST)).all()
    given = {
        "until": until,
        "since": max((row.ends_at for row in rows), default=until),
        "after": max((row.last_seq for row in rows), default=0),
    }
    found: dict[str, list[Claimable]] = {}
    for row in await session.execute(UNCLAIMED, given):
        for each in claimables(row):
            if each.currency not in (row.claimed_in or ()):
                found.setdefault(each.currency, []).append(each)
    return {row.currency: (row.ends_at, row.closing_minor) for row in rows}, found


async def close(session: MerchantSession, conditions: Conditions, until: datetime, act: Act) -> Closed:
    """Close every period that has ended by ``until``, in order, and plan the payouts; doing it again changes nothing.

    ``act.at`` of what is booked is each period's end, so a late run books the same as one in time.
    """
    desk = await _Desk.opened(session, conditions, until, act)
    while (found := desk.next_due()) is not None:
        if not await log_requirement.is_met(session, conditions.require_logged, [each.seq for each in found[2]]):
            desk.closed.waits_for_log = True
            return desk.closed
        await desk.close(*found)
    await desk.pay_what_was_carried()
    return desk.closed


@dataclass
class _Desk:
    """A merchant's books while its periods are closed: what is unclaimed, and the balances so far."""

    session: MerchantSession
    conditions: Conditions
    until: datetime
    act: Act
    numbers: dict[str, int]
    last: dict[str, tuple[datetime, int]]
    available: dict[str, int]
    unclaimed: dict[str, list[Claimable]]
    closed: Closed = field(default_factory=Closed)

    @classmethod
    async def opened(cls, session: MerchantSession, conditions: Conditions, until: datetime, act: Act) -> "_Desk":
        numbers = {row.name: row.value for row in await session.execute(LOCK)}
        last, found = await _unclaimed(session, until)
        available = {row.currency: row.amount_minor for row in await session.execute(AVAILABLE)}
        return cls(session, conditions, until, act, numbers, last, available, found)

    def next_due(self) -> tuple[str, Period, tuple[Claimable, ...]] | None:
        """A currency with its earliest period to close."""
        for currency in sorted(self.unclaimed):
            closed_until, _ = self.last.get(currency, (None, 0))
            found = closing.due(self.unclaimed[currency], self.conditions.schedules, closed_until, self.until)
            if found:
                return currency, *found
        return None

    async def pay_what_was_carried(self) -> None:
        """A balance that could not be paid when its period ended is paid with the next that ends, whatever it holds."""
        ended = period_at(period_at(self.until, self.conditions.schedules).starts_at - TICK, self.conditions.schedules)
        for currency, (closed_until, closing_minor) in sorted(self.last.items()):
            minimum = self.conditions.minimum_minor.get(currency, 0)
            available = min(closing_minor, self.available.get(currency, 0))
            is_due = closed_until < ended.ends_at and available > 0 and available >= minimum
            if is_due and await payee.usable_account(self.session, currency, self.act.booked_at):
                await self.close(currency, ended, ())

    async def close(self, currency: str, period: Period, claimed: tuple[Claimable, ...]) -> None:
        """Freeze one statement, and decide what becomes of its balance."""
        _, opening = self.last.get(currency, (None, 0))
        made = self._statement(currency, period, claimed, opening)
        taken = {each.seq for each in claimed}
        self.unclaimed[currency] = [each for each in self.unclaimed.get(currency, []) if each.seq not in taken]
        self.last[currency] = (period.ends_at, made.closing_minor)
        statement_id = uuid4()
        act = replace(self.act, at=period.ends_at)
        await self._write(statement_id, made, act)
        await invoice.issue(self.session, statement_id, made, claimed, self.conditions.document_language, act)
        minimum = self.conditions.minimum_minor.get(currency, 0)
        decided = closing.payable(
            made.closing_minor,
            closing.sales_of(claimed),
            self.available.get(currency, 0),
            reserve_bps=self.conditions.reserve_bps,
            minimum_minor=minimum,
        )
        await self._reserve(statement_id, made, decided, act)
        await self._pay(statement_id, made, decided, act)
        self.closed.statements.append(statement_id)

    def _statement(self, currency: str, period: Period, claimed: Iterable[Claimable], opening: int) -> Statement:
        number = self._next("statement")
        lines = [_line(each) for each in claimed]
        return statements.statement(
            number=f"{self.conditions.number}-S{number:05d}",
            merchant_id=self.session.merchant_id,
            merchant_name=self.conditions.legal_name,
            currency=currency,
            period_start=period.starts_at,
            period_end=period.ends_at,
            starts_on=period.starts_on,
            ends_on=period.ends_on,
            time_zone=self._zone(period),
            opening_minor=opening,
            lines=lines,
            closing_minor=opening + sum(line.amount_minor for line in lines),
        )

    def _zone(self, period: Period) -> str:
        in_force = [each for each in self.conditions.schedules if each.effective_at <= period.starts_at]
        return (in_force or self.conditions.schedules)[-1].zone.key

    def _next(self, name: str) -> int:
        self.numbers[name] += 1
        return self.numbers[name]

    async def _write(self, statement_id: UUID, made: Statement, act: Act) -> None:
        accept_by = act.booked_at + timedelta(days=self.conditions.objection_days)
        row = {
            "id": statement_id,
            "number": made.number,
            "legal_name": made.merchant_name,
            "currency": made.currency,
            "starts_at": made.period_start,
            "ends_at": made.period_end,
            "starts_on": made.starts_on,
            "ends_on": made.ends_on,
            "time_zone": made.time_zone,
            "opening_minor": made.opening_minor,
            "closing_minor": made.closing_minor,
            "kinds": {each.kind: [each.entries, each.amount_minor] for each in made.by_kind},
            "entries": len(made.lines),
            "last_seq": self.numbers["entry"],
            "content_hash": statements.content_hash(made),
            "status": "issued",
            "closed_at": act.booked_at,
            "accept_by": accept_by,
            "language": self.conditions.document_language.value,
        }
        after = {"number": made.number, "closing_minor": made.closing_minor, "currency": made.currency}
        await write(
            self.session,
            New(statement, row),
            Changed(counter, {"name": "statement"}, {"value": self.numbers["statement"]}),
            queue.asked(self.session.merchant_id, JobKind.STATEMENT_ACCEPT, statement_id, accept_by),
            *outbox.published(self.session, EventKind.STATEMENT_CLOSED, {"statement": statement_id, **after}, act),
            audit.event(self.session, self.session.merchant_id, act, "statement.close", str(statement_id), None, after),
        )
        rows = [
            {
                "entry_seq": line.entry_seq,
                "currency": made.currency,
                "statement_id": statement_id,
                "kind": line.kind,
                "amount_minor": line.amount_minor,
                "available_at": line.available_at,
            }
            for line in made.lines
        ]
        if rows:
            await self.session.execute(insert(statement_line), rows)

    async def _reserve(self, statement_id: UUID, made: Statement, decided: Payable, act: Act) -> None:
        if not decided.reserve_minor:
            return
        entry = entries.move(
            EntryKind.RESERVE,
            decided.reserve_minor,
            made.currency,
            occurred_at=act.at,
            details={"statement": made.number, "days": self.conditions.reserve_days},
        )
        seq = await self._book(entry, act)
        until = act.at + timedelta(days=self.conditions.reserve_days)
        await write(
            self.session,
            Changed(statement, {"id": statement_id}, {"reserve_seq": seq}),
            queue.asked(self.session.merchant_id, JobKind.RESERVE_RELEASE, statement_id, until),
        )

    async def _pay(self, statement_id: UUID, made: Statement, decided: Payable, act: Act) -> None:
        if not decided.payout_minor:
            return
        planned = await plan_payout(
            self.session, self.conditions, statement_id, made.number, made.currency, decided.payout_minor, act
        )
        if planned:
            self._booked(planned.entry, planned.seq)
            self.closed.payouts.append(planned.id)
            self.closed.reviewed.append(reviewed(self.session.merchant_id, planned, act))

    async def _book(self, entry: Entry, act: Act) -> int:
        seq = await ledger.book(self.session, entry, act)
        self._booked(entry, seq)
        return seq

    def _booked(self, entry: Entry, seq: int) -> None:
        """What follows from a statement is a line of the next one."""
        self.numbers["entry"] = seq
        for each in _claimable(seq, entry):
            self.available[each.currency] = self.available.get(each.currency, 0) + each.amount_minor
            if each.available_at < self.until:
                self.unclaimed.setdefault(each.currency, []).append(each)


async def plan_payout(
    session: MerchantSession,
    conditions: Conditions,
    statement_id: UUID,
    statement_number: str,
    currency: str,
    amount_minor: int,
    act: Act,
) -> PlannedPayout | None:
    """Reserve an amount and plan its payout; one that a review rule holds waits as those above the limit do.

    None where the merchant has no account that can be paid to; it is told, and the balance is carried.
    """
    account = await payee.usable_account(session, currency, act.booked_at)
    if account is None:
        facts = {"statement": statement_id, "number": statement_number}
        await outbox.publish(session, EventKind.PAYOUT_NO_PAYEE_ACCOUNT, facts, act)
        return None
    counted: int = await session.scalar(NEXT_PAYOUT)
    payout_id, number = uuid4(), f"{conditions.number}-P{counted:05d}"
    details = {"payout": number, "statement": statement_number}
    entry = entries.move(EntryKind.PAYOUT, amount_minor, currency, occurred_at=act.at, details=details)
    seq = await ledger.book(session, entry, act)
    limit = conditions.release_above_minor.get(currency)
    verdicts = await _judged(session, conditions, payout_id, account[0], currency, amount_minor, act)
    if worst(verdicts) is Outcome.HOLD:
        limit = 0
    planned = payout.Planned(
        id=payout_id,
        number=number,
        statement_id=statement_id,
        currency=currency,
        amount_minor=amount_minor,
        payee_account_id=account[0],
        provider=account[1],
        release_above_minor=limit if limit is not None and amount_minor > limit else None,
        entry_seq=seq,
    )
    await payout.plan(session, planned, act)
    return PlannedPayout(payout_id, number, currency, amount_minor, entry, seq, verdicts)


async def _judged(
    session: MerchantSession,
    conditions: Conditions,
    payout_id: UUID,
    account_id: UUID,
    currency: str,
    amount_minor: int,
    act: Act,
) -> tuple[Verdict, ...]:
    known = (conditions.rules, conditions.slug, conditions.category)
    rules, version = review.rules_for(*known, RuleSubject.PAYOUT)
    if not rules:
        return ()
    verdicts = await review.of_payout(session, account_id, currency, amount_minor, act.booked_at, rules, version)
    await write(session, *review.written(verdicts, payout_id, payout_id, act))
    return verdicts


def reviewed(merchant_id: UUID, planned: PlannedPayout, act: Act) -> Reviewed:
    """The payout as the rules judged it, for whoever asks people to look."""
    return Reviewed(
        merchant_id,
        RuleSubject.PAYOUT,
        str(planned.id),
        planned.number,
        planned.verdicts,
        planned.currency,
        planned.amount_minor,
        [act.actor],
    )


def claimables(row: Row[Any]) -> list[Claimable]:
    """What a stored entry changes, one for each currency."""
    postings = tuple(map(Posting, row.account, row.currency, row.amount))
    entry = Entry(EntryKind(row.kind), None, row.available_at, row.available_at, row.reverses, postings, row.details)
    return _claimable(row.seq, entry, row.number)


def _claimable(seq: int, entry: Entry, order_number: str | None = None) -> list[Claimable]:
    sums: dict[tuple[str, str], int] = {}
    for posting in entry.postings:
        key = (posting.account, posting.currency)
        sums[key] = sums.get(key, 0) + posting.amount_minor
    return [
        Claimable(
            seq=seq,
            kind=entry.kind,
            order_number=order_number,
            currency=currency,
            available_at=entry.available_at or entry.occurred_at,
            amount_minor=amount,
            reverses=entry.reverses,
            details=entry.details,
            commission_minor=sums.get((Account.PLATFORM_COMMISSION, currency), 0),
            commission_tax_minor=sums.get((Account.COMMISSION_TAX, currency), 0),
        )
        for (account, currency), amount in sums.items()
        if account == Account.MERCHANT_AVAILABLE
    ]


def text_of(kind: EntryKind, order_number: str | None, details: Mapping[str, Any]) -> str:
    """What a statement says of an entry."""
    text = TEXTS[kind] + (f" {order_number}" if order_number else "")
    named = details.get("reason") or details.get("payout") or details.get("statement")
    if kind is EntryKind.EXCHANGE:
        named = "{from_currency} to {to_currency} at {rate} ({rate_source})".format_map(details)
    return f"{text}: {named}" if named else text


def _line(each: Claimable) -> StatementLine:
    return StatementLine(
        entry_seq=each.seq,
        kind=each.kind,
        order_number=each.order_number,
        available_at=each.available_at,
        amount_minor=each.amount_minor,
        corrects=each.reverses,
        text=text_of(each.kind, each.order_number, each.details),
    )
