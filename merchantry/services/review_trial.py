"""Review rules tried on what has happened: the verdicts that they would have given, counted; nothing is written.

Every act is judged by the function that judges it in life, from figures read by the same statements, merchant by
merchant, each in a snapshot of its own. Two figures are those of today or of whole days: who is staff, and the sales
of the day of a refund.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import bindparam, func, select, tuple_

from merchantry.domain.errors import InvalidInput
from merchantry.domain.line_split import LineSplit
from merchantry.domain.refund import RefundKind
from merchantry.domain.review import OF_ORDER, Facts, Rule, RuleSet, RulesInForce, RuleSubject
from merchantry.domain.review_checks import judge
from merchantry.domain.review_trial import Trial
from merchantry.domain.settlement import local_day
from merchantry.services import order, review, split
from merchantry.services.mall import mall_zone
from merchantry.services.order import ORDER_COLUMNS, Order
from merchantry.services.replay import Rated, midnight
from merchantry.services.review import UNKNOWN_BUYER, ShopFacts
from merchantry.tables.merchant import orders, refund
from merchantry.tables.merchant_settlement import payee_account
from merchantry.tables.payout import payout
from tenancy.database import Database, MerchantSession, Transaction

PAGE = 500
"""Orders that are judged at once."""

UNTRIED = 0
"""The version of rules that nobody has proposed."""

DAY = timedelta(days=1)
CAPTURED = (
    select(*ORDER_COLUMNS)
    .where(
        tuple_(orders.c.captured_at, orders.c.id) > tuple_(bindparam("after"), bindparam("after_id")),
        orders.c.captured_at >= bindparam("since"),
        orders.c.captured_at < bindparam("until"),
    )
    .order_by(orders.c.captured_at, orders.c.id)
    .limit(PAGE)
)
REFUNDS = (
    select(refund.c.id, refund.c.order_id, refund.c.currency, refund.c.amount_minor, refund.c.occurred_at)
    .where(
        refund.c.occurred_at >= bindparam("since"),
        refund.c.occurred_at < bindparam("until"),
        refund.c.kind != RefundKind.CHARGEBACK,
    )
    .order_by(refund.c.occurred_at, refund.c.id)
)
FROM_THERE_ON = select(func.coalesce(func.sum(refund.c.amount_minor), 0)).where(
    tuple_(refund.c.occurred_at, refund.c.id) >= tuple_(bindparam("at"), bindparam("refund")),
    refund.c.occurred_at < bindparam("day_ends_at"),
    refund.c.currency == bindparam("currency"),
)
PAYOUTS = (
    select(payout.c.id, payout.c.currency, payout.c.amount_minor, payout.c.payee_account_id, payout.c.planned_at)
    .where(
        payout.c.merchant_id == bindparam("merchant"),
        payout.c.planned_at >= bindparam("since"),
        payout.c.planned_at < bindparam("until"),
    )
    .order_by(payout.c.planned_at, payout.c.id)
)
ACCOUNTS = (
    select(payee_account.c.id, payee_account.c.currency, payee_account.c.created_at)
    .where(payee_account.c.created_at >= bindparam("since"), payee_account.c.created_at < bindparam("until"))
    .order_by(payee_account.c.created_at, payee_account.c.id)
)


@dataclass(frozen=True, slots=True)
class Span:
    """The days that are looked at, as instants of the mall's zone."""

    since: datetime
    until: datetime
    zone: ZoneInfo


async def try_rules(
    database: Database, actor: str, rules: RuleSet, date_from: date, date_to: date, merchants: Sequence[Rated]
) -> AsyncIterator[Trial]:
    """The rules over acts with ``date_from <= day < date_to`` in the mall's time zone; the same trial, grown, after
    each merchant.

    Raises InvalidInput for an empty span.
    """
    if date_from >= date_to:
        reason = "The span is empty: its end is the first day that no longer counts, so it must be after its start."
        raise InvalidInput(reason=reason, path=("to",))
    async with database.read(actor) as tx, tx.as_platform() as session:
        zone = await mall_zone(session)
    span = Span(midnight(date_from, zone), midnight(date_to, zone), zone)
    trial = Trial.of(rules.rules)
    for each in merchants:
        async with database.read(actor) as tx:
            await _Shop(tx, each, rules, span, trial).judge()
        yield trial


@dataclass
class _Shop:
    """One merchant's acts of the span."""

    tx: Transaction
    merchant: Rated
    rules: RuleSet
    span: Span
    trial: Trial

    async def judge(self) -> None:
        if rules := self._about(*OF_ORDER):
            await self._orders(rules)
        if rules := self._about(RuleSubject.REFUND):
            async with self.tx.as_merchant(self.merchant.id) as session:
                await self._refunds(session, rules)
        if rules := self._about(RuleSubject.PAYOUT):
            async with self.tx.as_merchant(self.merchant.id) as session:
                await self._payouts(session, rules)
        if rules := self._about(RuleSubject.PAYEE):
            async with self.tx.as_merchant(self.merchant.id) as session:
                await self._accounts(session, rules)

    def _about(self, *subjects: RuleSubject) -> tuple[Rule, ...]:
        return self.rules.about(subjects, self.merchant.slug, self.merchant.category)

    def _judged(self, rules: Sequence[Rule], facts: Facts, trail_id: UUID, subject_id: UUID, at: datetime) -> None:
        about = (self.merchant.id, self.merchant.slug)
        self.trial.add(judge(rules, UNTRIED, facts), about, trail_id, subject_id, at)

    async def _orders(self, rules: Sequence[Rule]) -> None:
        last = (self.span.since, UUID(int=0))
        while True:
            async with self.tx.as_merchant(self.merchant.id) as session:
                page = await self._page(session, last)
                moments = {found.id: captured_at for found, captured_at, _ in page}
                shops = await review.shop_facts(session, moments, rules)
            async with self.tx.as_platform() as platform:
                asked = RulesInForce(UNTRIED, self.rules)
                buyers = await review.buyers_of(platform, [self.merchant.id], list(moments), asked)
            for found, captured_at, lines in page:
                shop, buyer = shops.get(found.id, ShopFacts()), buyers.get(found.id, UNKNOWN_BUYER)
                facts = review.order_facts(found, lines, shop, buyer)
                self._judged(rules, facts, found.id, found.id, captured_at)
            if len(page) < PAGE:
                return
            last = (page[-1][1], page[-1][0].id)

    async def _page(
        self, session: MerchantSession, last: tuple[datetime, UUID]
    ) -> list[tuple[Order, datetime, list[LineSplit]]]:
        """Captured orders with their moments and frozen splits."""
        given = {"after": last[0], "after_id": last[1], "since": self.span.since, "until": self.span.until}
        rows = (await session.execute(CAPTURED, given)).all()
        ids = [row.id for row in rows]
        lines, frozen = await order.lines_of(session, ids), await split.lines_of(session, ids)
        found = [order.from_row(row, lines.get(row.id, ())) for row in rows]
        return [
            (each, row.captured_at, [frozen[line.id].split for line in each.lines])
            for each, row in zip(found, rows, strict=True)
        ]

    async def _refunds(self, session: MerchantSession, rules: Sequence[Rule]) -> None:
        given = {"since": self.span.since, "until": self.span.until}
        for row in (await session.execute(REFUNDS, given)).all():
            day = local_day(row.occurred_at, self.span.zone)
            until = {"at": row.occurred_at, "refund": row.id, "day_ends_at": midnight(day + DAY, self.span.zone)}
            later = int(await session.scalar(FROM_THERE_ON, {**until, "currency": row.currency}))
            of_days = await review.given_back(session, row.currency, day, rules)
            before = {days: (refunds - later, sales) for days, (refunds, sales) in of_days.items()}
            facts = review.refund_facts(row.currency, row.amount_minor, before)
            self._judged(rules, facts, row.order_id, row.id, row.occurred_at)

    async def _payouts(self, session: MerchantSession, rules: Sequence[Rule]) -> None:
        given = {"merchant": self.merchant.id, "since": self.span.since, "until": self.span.until}
        for row in (await session.execute(PAYOUTS, given)).all():
            age = await review.payee_age(session, row.payee_account_id, row.planned_at)
            facts = Facts(row.currency, row.amount_minor, payee_age=age)
            self._judged(rules, facts, row.id, row.id, row.planned_at)

    async def _accounts(self, session: MerchantSession, rules: Sequence[Rule]) -> None:
        given = {"since": self.span.since, "until": self.span.until}
        for row in (await session.execute(ACCOUNTS, given)).all():
            age = await review.payee_age(session, row.id, row.created_at)
            self._judged(rules, Facts(row.currency, 0, payee_age=age), row.id, row.id, row.created_at)
