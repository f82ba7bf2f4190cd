"""One page of a report's rows in one merchant's schema, by keyset, as statements for that merchant's own session.

The rows hold what ``domain.report_forms`` names, but for the merchant and days, which ``report_rows`` adds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Date,
    DateTime,
    FromClause,
    Integer,
    Select,
    Text,
    and_,
    bindparam,
    case,
    cast,
    func,
    lateral,
    literal_column,
    select,
    true,
    tuple_,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by

from merchantry.domain.ledger import Account, EntryKind
from merchantry.domain.report_kind import ReportKind
from merchantry.tables.merchant import ledger_entry, order_line, orders, refund, split_line
from merchantry.tables.merchant_settlement import statement
from merchantry.tables.payout import payout, payout_instruction

Key: TypeAlias = tuple[Any, ...]
Element: TypeAlias = ColumnElement[Any]


@dataclass(frozen=True, slots=True)
class PageQuery:
    """A statement over some of the parameters ``starts_at``, ``ends_at``, ``date_from``, ``date_to``, ``zone``.

    Rows come in the order of ``key``, whose values are columns ``key_0``, ``key_1``…; without one, all at once: they
    are groups, and there are few.
    """

    rows: Select[Any]
    key: tuple[Element, ...] = ()
    currency: Element | None = None
    status: Element | None = None

    def page(
        self, limit: int, after: Key | None, currency: str | None = None, statuses: tuple[str, ...] = ()
    ) -> Select[Any]:
        """The rows after those with this key."""
        query = self.rows
        if currency is not None and self.currency is not None:
            query = query.where(self.currency == currency)
        if statuses and self.status is not None:
            query = query.where(self.status == func.any(list(statuses)))
        if not self.key:
            return query
        if after is not None:
            query = query.where(tuple_(*self.key) > tuple_(*after))
        named = (each.label(f"key_{position}") for position, each in enumerate(self.key))
        return query.add_columns(*named).order_by(*self.key).limit(limit)

    def key_of(self, row: Mapping[str, Any]) -> Key:
        """Where the page after this row begins."""
        return tuple(row[f"key_{position}"] for position in range(len(self.key)))


def _within(at: Element) -> ColumnElement[bool]:
    starts_at, ends_at = (bindparam(name, type_=DateTime(timezone=True)) for name in ("starts_at", "ends_at"))
    return and_(at >= starts_at, at < ends_at)


def _sum(column: Element) -> Element:
    return cast(func.coalesce(func.sum(column), 0), BigInteger)


def _true_ups() -> FromClause:
    """What orders of this one's window were charged too little, booked with it when it reached a step of tiers."""
    posting = (
        func.unnest(ledger_entry.c.account, ledger_entry.c.amount)
        .table_valued("account", "amount")
        .render_derived("part")
    )
    sums = {
        "commission": (Account.PLATFORM_COMMISSION, Account.PLATFORM_MARGIN),
        "tax": (Account.COMMISSION_TAX,),
        "net": (Account.MERCHANT_AVAILABLE,),
    }
    columns = (
        cast(
            func.coalesce(
                func.sum(posting.c.amount).filter(posting.c.account.in_([each.value for each in accounts])), 0
            ),
            BigInteger,
        ).label(name)
        for name, accounts in sums.items()
    )
    return lateral(
        select(*columns)
        .select_from(ledger_entry)
        .join(posting, true())
        .where(ledger_entry.c.order_id == orders.c.id, ledger_entry.c.kind == EntryKind.TIER_TRUE_UP.value),
        "true_up",
    )


def _parts() -> FromClause:
    names = ("merchant_minor", "commission_tax_minor", "payment_fee_minor")
    return lateral(
        select(*(_sum(split_line.c[name]).label(name) for name in names)).where(split_line.c.order_id == orders.c.id),
        "parts",
    )


def _taxes_of_order() -> FromClause:
    return lateral(
        select(_sum(order_line.c.tax_minor).label("tax_minor")).where(order_line.c.order_id == orders.c.id), "taxed"
    )


def _sales() -> PageQuery:
    of, parts, taxed, true_up = orders.c, _parts(), _taxes_of_order(), _true_ups()
    discount = of.discount_merchant_minor + of.discount_platform_minor
    rows = (
        select(
            of.number.label("order_number"),
            of.status,
            of.collected_by,
            of.captured_at,
            of.currency,
            of.goods_minor,
            discount.label("discount_minor"),
            of.shipping_minor,
            taxed.c.tax_minor,
            of.added_tax_minor,
            (of.goods_minor - discount + of.shipping_minor + of.added_tax_minor).label("paid_minor"),
            (of.commission_minor + true_up.c.commission).label("commission_minor"),
            (parts.c.commission_tax_minor + true_up.c.tax).label("commission_tax_minor"),
            parts.c.payment_fee_minor,
            (parts.c.merchant_minor + true_up.c.net).label("net_minor"),
            of.refunded_minor,
        )
        .select_from(orders)
        .join(parts, true())
        .join(taxed, true())
        .join(true_up, true())
        .where(_within(of.captured_at))
    )
    return PageQuery(rows, (of.captured_at, of.id), of.currency, of.status)


def _charged() -> Element:
    """A line's commission, whoever gets it: what was frozen with it, shares of beneficiaries included."""
    frozen = split_line.c.explanation["commission"]["commission_minor"].as_string()
    return func.coalesce(cast(frozen, BigInteger), split_line.c.commission_minor)


def _sale_lines() -> PageQuery:
    of, line, part = orders.c, order_line.c, split_line.c
    rows = (
        select(
            of.number.label("order_number"),
            (line.position + 1).label("line"),
            of.status,
            line.category,
            line.sku,
            line.title,
            of.captured_at,
            line.quantity,
            of.currency,
            line.goods_minor,
            (line.discount_merchant_minor + line.discount_platform_minor).label("discount_minor"),
            line.shipping_minor,
            line.tax_minor,
            _charged().label("commission_minor"),
            part.commission_tax_minor,
            part.payment_fee_minor,
            part.merchant_minor.label("net_minor"),
            line.refunded.label("refunded_quantity"),
            (line.refunded_goods_minor + line.refunded_shipping_minor).label("refunded_minor"),
        )
        .select_from(orders)
        .join(order_line, line.order_id == of.id)
        .join(split_line, part.order_line_id == line.id)
        .where(_within(of.captured_at))
    )
    return PageQuery(rows, (of.captured_at, of.id, line.position), of.currency, of.status)


def _refunds() -> PageQuery:
    of = refund.c
    rows = (
        select(
            orders.c.number.label("order_number"),
            of.kind,
            of.status,
            of.currency,
            of.amount_minor,
            of.commission_minor,
            of.merchant_minor,
            of.occurred_at.label("decided_at"),
            of.sent_at,
        )
        .select_from(refund)
        .join(orders, orders.c.id == of.order_id)
        .where(_within(of.occurred_at))
    )
    return PageQuery(rows, (of.occurred_at, of.id), of.currency, of.status)


def _statements() -> PageQuery:
    of = statement.c
    last_day_from, last_day_to = (bindparam(name, type_=Date) for name in ("date_from", "date_to"))
    rows = select(
        of.number,
        of.starts_on.label("period_start"),
        of.ends_on.label("period_end"),
        of.time_zone,
        of.status,
        of.entries,
        of.currency,
        of.opening_minor,
        of.kinds,
        of.closing_minor,
        of.closed_at,
    ).where(of.ends_on > last_day_from, of.ends_on <= last_day_to)
    return PageQuery(rows, (of.ends_on, of.currency, of.id), of.currency, of.status)


def _payouts() -> PageQuery:
    """A merchant's session sees its own rows of these tables only; it says so itself, so that their indexes serve."""
    of, sent = payout.c, payout_instruction.c
    references = (
        select(func.string_agg(sent.reference, aggregate_order_by(literal_column("' '"), sent.attempt, sent.position)))
        .where(sent.merchant_id == of.merchant_id, sent.payout_id == of.id)
        .correlate(payout)
        .scalar_subquery()
    )
    rows = (
        select(
            of.number,
            statement.c.number.label("statement"),
            of.status,
            of.provider,
            references.label("references"),
            of.currency,
            of.amount_minor,
            of.paid_minor,
            of.returned_minor,
            of.planned_at,
            of.ended_at,
        )
        .select_from(payout)
        .join(statement, statement.c.id == of.statement_id)
        .where(of.merchant_id == bindparam("merchant"), _within(of.planned_at))
    )
    return PageQuery(rows, (of.planned_at, of.id), of.currency, of.status)


def _taxes() -> PageQuery:
    """The taxable amount is after the merchant's discount and without the tax itself (``domain.line_amounts``)."""
    of, line = orders.c, order_line.c
    on_shipping = case((line.tax_covers_shipping, line.shipping_minor), else_=0)
    inside = case((line.tax_inclusive, line.tax_minor), else_=0)
    groups = (
        func.to_char(func.timezone(bindparam("zone", type_=Text), of.captured_at), literal_column("'YYYY-MM'")).label(
            "month"
        ),
        line.tax_jurisdiction.label("jurisdiction"),
        line.tax_rate_bps.label("rate_bps"),
        case((line.tax_inclusive, literal_column("'yes'")), else_=literal_column("'no'")).label("in_price"),
        line.tax_remitted_by.label("remitted_by"),
        of.currency,
    )
    numbers: list[Element] = [literal_column(str(position)) for position in range(1, len(groups) + 1)]
    rows = (
        select(
            *groups,
            cast(func.count(), Integer).label("lines"),
            _sum(line.goods_minor - line.discount_merchant_minor + on_shipping - inside).label("taxable_minor"),
            _sum(line.tax_minor).label("tax_minor"),
            _sum(line.refunded_goods_minor + line.refunded_shipping_minor).label("refunded_minor"),
        )
        .select_from(orders)
        .join(order_line, line.order_id == of.id)
        .where(_within(of.captured_at), line.tax_jurisdiction.is_not(None))
        .group_by(*numbers)
        .order_by(*numbers)
    )
    return PageQuery(rows, (), of.currency)


QUERIES: Final[Mapping[ReportKind, PageQuery]] = {
    ReportKind.SALES: _sales(),
    ReportKind.SALE_LINES: _sale_lines(),
    ReportKind.REFUNDS: _refunds(),
    ReportKind.STATEMENTS: _statements(),
    ReportKind.PAYOUTS: _payouts(),
    ReportKind.TAXES: _taxes(),
}
"""Of the kinds that have rows of their own; the others are sums of daily totals (``services.report``)."""
