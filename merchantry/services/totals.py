"""The small rollups that reports read, kept in the transaction of the ledger entry."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

from sqlalchemy import update

from merchantry.domain.line_split import LineSplit
from merchantry.domain.settlement import Period
from merchantry.tables.merchant import daily_available, daily_total
from merchantry.tables.upsert import adding
from tenancy.database import MerchantSession
from tenancy.writes import Added, Write, write

ALL = "*"
FIGURES = (
    "orders",
    "goods_minor",
    "shipping_minor",
    "commission_minor",
    "refunds_minor",
    "commission_returned_minor",
    "discount_minor",
    "tax_minor",
    "commission_tax_minor",
    "payment_fee_minor",
    "net_minor",
)
"""What ``daily_total`` counts. Commission is what merchants are charged, whoever gets it; refunds lower only their own
two figures, and ``net_minor``, what is left to the merchant of everything."""


ADD_TO_PERIOD = adding(daily_available, ("day", "currency", "period_start"), ("orders", "payable_minor"))


@dataclass
class LineFigures:
    """What one line adds to its category's row."""

    category: str
    figures: Mapping[str, int] = field(default_factory=dict)


def captured(category: str, line: LineSplit) -> LineFigures:
    """What a captured line adds."""
    figures = {
        "goods_minor": line.goods_minor,
        "shipping_minor": line.shipping_minor,
        "commission_minor": line.charged_minor,
        "discount_minor": line.discount_merchant_minor + line.subsidy_minor,
        "tax_minor": line.tax.tax_minor if line.tax else 0,
        "commission_tax_minor": line.commission_tax_minor,
        "payment_fee_minor": line.payment_fee_minor,
        "net_minor": line.merchant_minor,
    }
    return LineFigures(category, figures)


def taken_back(category: str, refunded_minor: int, returned_minor: int, merchant_minor: int) -> LineFigures:
    """What a refund or a chargeback adds; negative where a chargeback was won after all."""
    figures = {
        "refunds_minor": refunded_minor,
        "commission_returned_minor": returned_minor,
        "net_minor": -merchant_minor,
    }
    return LineFigures(category, figures)


def trued_up(category: str, amount_minor: int, tax_minor: int) -> LineFigures:
    """What a true-up of tiers adds; it counts in the category of the order that reached the step."""
    figures = {
        "commission_minor": amount_minor,
        "commission_tax_minor": tax_minor,
        "net_minor": -amount_minor - tax_minor,
    }
    return LineFigures(category, figures)


def true_up_taken_back(category: str, amount_minor: int, tax_minor: int) -> LineFigures:
    """What a refund takes back of a true-up: so much less commission was returned."""
    return LineFigures(category, {"commission_returned_minor": -amount_minor, "net_minor": -amount_minor - tax_minor})


def by_category(lines: Iterable[LineFigures], *, orders: int) -> dict[str, dict[str, int]]:
    """What an order's lines add: once to the row of all, and to each category that they touch.

    ``orders`` is 1 for a capture and 0 for all else, which counts no order.
    """
    sums: dict[str, dict[str, int]] = {}
    for line in lines:
        for category in (ALL, line.category):
            row = sums.setdefault(category, {**dict.fromkeys(FIGURES, 0), "orders": orders})
            for name, amount in line.figures.items():
                row[name] += amount
    return sums


def of_day(day: date, currency: str, lines: Iterable[LineFigures], *, orders: int) -> list[Write]:
    """What an order's lines add to the platform's day, as ``by_category`` sums them; written with the ledger's entry,
    whose counter keeps others from these rows."""
    return [
        Added(daily_total, {"day": day, "currency": currency, "category": category}, sums)
        for category, sums in by_category(lines, orders=orders).items()
    ]


async def add_to_day(
    session: MerchantSession, day: date, currency: str, lines: Iterable[LineFigures], *, orders: int
) -> None:
    """Write what :func:`of_day` says."""
    await write(session, *of_day(day, currency, lines, orders=orders))


async def cut_period(session: MerchantSession, period: Period, ends_on: date) -> None:
    """The period ended sooner than was thought when money became available in it."""
    table = daily_available.c
    known = (table.period_start == period.starts_on) & (table.period_end == period.ends_on)
    await session.execute(update(daily_available).where(known).values(period_end=ends_on))


async def add_to_period(session: MerchantSession, day: date, period: Period, currency: str, payable_minor: int) -> None:
    """Add an order's money to what became available on the platform's day, within the merchant's period."""
    row = {
        "day": day,
        "currency": currency,
        "period_start": period.starts_on,
        "period_end": period.ends_on,
        "orders": 1,
        "payable_minor": payable_minor,
    }
    await session.execute(ADD_TO_PERIOD, row)
