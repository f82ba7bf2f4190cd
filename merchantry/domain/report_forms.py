"""The kinds of reports: what each has a row for, and its columns.

Days are the platform's, for merchants too, so that everybody's figures of a day agree; only a statement's days are
those of its merchant. Amounts are in the row's currency, which is a column of its own.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from merchantry.domain.ledger import EntryKind
from merchantry.domain.report_kind import ColumnType, ReportColumn, ReportForm, ReportKind


def _text(name: str, title: str, *, is_usual: bool = True) -> ReportColumn:
    return ReportColumn(name, title, ColumnType.TEXT, is_usual)


def _day(name: str, title: str, *, is_usual: bool = True) -> ReportColumn:
    return ReportColumn(name, title, ColumnType.DAY, is_usual)


def _at(name: str, title: str, *, is_usual: bool = True) -> ReportColumn:
    return ReportColumn(name, title, ColumnType.INSTANT, is_usual)


def _count(name: str, title: str, *, is_usual: bool = True) -> ReportColumn:
    return ReportColumn(name, title, ColumnType.COUNT, is_usual)


def _money(name: str, title: str, *, is_usual: bool = True) -> ReportColumn:
    return ReportColumn(f"{name}_minor", title, ColumnType.MONEY, is_usual)


_MERCHANT, _CURRENCY = _text("merchant", "Merchant"), _text("currency", "Currency")
_SPAN = (
    _day("day", "Day", is_usual=False),
    _day("week", "Week", is_usual=False),
    _text("month", "Month", is_usual=False),
)
_CHARGED = (
    _money("commission", "Commission"),
    _money("commission_tax", "Tax on commission"),
    _money("payment_fee", "Payment fee"),
    _money("net", "Net to merchant"),
)

_SALES = ReportForm(
    kind=ReportKind.SALES,
    title="Sales",
    row="order whose money was captured, as it was divided then",
    counted_on="the day of capture",
    columns=(
        _MERCHANT,
        _day("day", "Day"),
        _text("order_number", "Order"),
        _text("status", "Status"),
        _text("collected_by", "Collected by", is_usual=False),
        _at("captured_at", "Captured", is_usual=False),
        _CURRENCY,
        _money("goods", "Goods"),
        _money("discount", "Discount"),
        _money("shipping", "Shipping"),
        _money("tax", "Sales tax"),
        _money("added_tax", "Tax on top", is_usual=False),
        _money("paid", "Paid"),
        *_CHARGED,
        _money("refunded", "Refunded since"),
    ),
    sorted_by=("merchant", "captured_at"),
)
_SALE_LINES = ReportForm(
    kind=ReportKind.SALE_LINES,
    title="Sales by line",
    row="line of an order whose money was captured, as it was divided then",
    counted_on="the day of capture",
    columns=(
        _MERCHANT,
        _day("day", "Day"),
        _text("order_number", "Order"),
        _count("line", "Line"),
        _text("status", "Status"),
        _text("category", "Category"),
        _text("sku", "SKU"),
        _text("title", "Title"),
        _at("captured_at", "Captured", is_usual=False),
        _count("quantity", "Quantity"),
        _CURRENCY,
        _money("goods", "Goods"),
        _money("discount", "Discount"),
        _money("shipping", "Shipping"),
        _money("tax", "Sales tax"),
        *_CHARGED,
        _count("refunded_quantity", "Refunded quantity", is_usual=False),
        _money("refunded", "Refunded since"),
    ),
    sorted_by=("merchant", "captured_at", "order_number", "line"),
)
_COMMISSION = ReportForm(
    kind=ReportKind.COMMISSION,
    title="Commission",
    row="group of captures and refunds",
    counted_on="the day of capture, or of the refund",
    columns=(
        _MERCHANT,
        _text("category", "Category", is_usual=False),
        _day("day", "Day"),
        *_SPAN[1:],
        _CURRENCY,
        _count("orders", "Orders"),
        _money("goods", "Goods"),
        _money("shipping", "Shipping"),
        _money("commission", "Commission"),
        _money("refunds", "Refunds"),
        _money("net_to_merchants", "Net to merchants"),
        _money("discount", "Discount"),
        _money("tax", "Sales tax"),
        _money("commission_tax", "Tax on commission"),
        _money("payment_fee", "Payment fee"),
    ),
    sorted_by=("merchant", "category", "day", "week", "month", "currency"),
    is_grouped=True,
)
_REFUNDS = ReportForm(
    kind=ReportKind.REFUNDS,
    title="Refunds",
    row="refund",
    counted_on="the day that it was decided",
    columns=(
        _MERCHANT,
        _day("day", "Day"),
        _text("order_number", "Order"),
        _text("kind", "Kind"),
        _text("status", "Status"),
        _CURRENCY,
        _money("amount", "Amount"),
        _money("commission", "Commission returned"),
        _money("merchant", "From merchant"),
        _at("decided_at", "Decided", is_usual=False),
        _at("sent_at", "Sent"),
    ),
    sorted_by=("merchant", "decided_at"),
)
_SETTLEMENT = ReportForm(
    kind=ReportKind.SETTLEMENT,
    title="Settlement",
    row="group of orders that became available in a settlement period",
    counted_on="the day that the order's hold ended",
    columns=(
        _MERCHANT,
        *_SPAN,
        _day("period_start", "Period from"),
        _day("period_end", "Period to before"),
        _CURRENCY,
        _count("orders", "Orders"),
        _money("payable", "Payable"),
    ),
    sorted_by=("merchant", "day", "week", "month", "period_start", "period_end", "currency"),
    is_grouped=True,
)
_STATEMENTS = ReportForm(
    kind=ReportKind.STATEMENTS,
    title="Statements",
    row="settlement statement",
    counted_on="the last day of its period, in its merchant's zone",
    columns=(
        _MERCHANT,
        _text("number", "Statement"),
        _day("period_start", "Period from"),
        _day("period_end", "Period to before"),
        _text("time_zone", "Time zone", is_usual=False),
        _text("status", "Status"),
        _count("entries", "Entries"),
        _CURRENCY,
        _money("opening", "Opening balance"),
        _money("sales", "Sales"),
        _money("refunds", "Refunds"),
        _money("chargebacks", "Chargebacks"),
        _money("holds", "Holds"),
        _money("reserve", "Risk reserve"),
        _money("true_ups", "Commission and fees corrected"),
        _money("adjustments", "Adjustments"),
        _money("payouts", "Payouts"),
        _money("closing", "Closing balance"),
        _at("closed_at", "Closed", is_usual=False),
    ),
    sorted_by=("merchant", "period_end", "currency"),
)
_PAYOUTS = ReportForm(
    kind=ReportKind.PAYOUTS,
    title="Payouts",
    row="payout",
    counted_on="the day that it was planned",
    columns=(
        _MERCHANT,
        _day("day", "Day"),
        _text("number", "Payout"),
        _text("statement", "Statement"),
        _text("status", "Status"),
        _text("provider", "Provider"),
        _text("references", "References"),
        _CURRENCY,
        _money("amount", "Amount"),
        _money("paid", "Paid"),
        _money("returned", "Returned"),
        _at("planned_at", "Planned", is_usual=False),
        _at("ended_at", "Ended"),
    ),
    sorted_by=("merchant", "planned_at"),
)
_TAXES = ReportForm(
    kind=ReportKind.TAXES,
    title="Sales tax",
    row="month, jurisdiction, rate and remitter of sales tax, of what was captured",
    counted_on="the day of capture",
    columns=(
        _MERCHANT,
        _text("month", "Month"),
        _text("jurisdiction", "Jurisdiction"),
        _count("rate_bps", "Rate in basis points"),
        _text("in_price", "In the price"),
        _text("remitted_by", "Remitted by"),
        _CURRENCY,
        _count("lines", "Lines"),
        _money("taxable", "Taxable, without tax"),
        _money("tax", "Sales tax"),
        _money("refunded", "Refunded since, with tax"),
    ),
    sorted_by=("merchant", "month", "jurisdiction", "rate_bps", "in_price", "remitted_by", "currency"),
)

FORMS: Final[Mapping[ReportKind, ReportForm]] = MappingProxyType(
    {
        form.kind: form
        for form in (_SALES, _SALE_LINES, _COMMISSION, _REFUNDS, _SETTLEMENT, _STATEMENTS, _PAYOUTS, _TAXES)
    }
)
"""Every kind of report."""

STATEMENT_KINDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        EntryKind.RELEASE: "sales_minor",
        EntryKind.REFUND: "refunds_minor",
        EntryKind.CHARGEBACK: "chargebacks_minor",
        EntryKind.CHARGEBACK_FEE: "chargebacks_minor",
        EntryKind.CHARGEBACK_REVERSED: "chargebacks_minor",
        EntryKind.HOLD: "holds_minor",
        EntryKind.HOLD_ENDED: "holds_minor",
        EntryKind.RESERVE: "reserve_minor",
        EntryKind.RESERVE_RELEASED: "reserve_minor",
        EntryKind.TIER_TRUE_UP: "true_ups_minor",
        EntryKind.TRUE_UP_TAKEN_BACK: "true_ups_minor",
        EntryKind.FEE_TRUE_UP: "true_ups_minor",
        EntryKind.PAYOUT: "payouts_minor",
        EntryKind.PAYOUT_CANCELLED: "payouts_minor",
        EntryKind.PAYOUT_RETURNED: "payouts_minor",
    }
)
"""In which column a statement's kinds of entries are summed; all others are ``adjustments_minor``."""
