"""The small rollups that reports read, kept in the transaction of the ledger entry."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

from merchantry.domain.settlement import Period
from merchantry.tables.merchant import daily_available, daily_total
from merchantry.tables.upsert import adding
from tenancy.database import MerchantSession

ALL = "*"
FIGURES = ("orders", "goods_minor", "shipping_minor", "commission_minor", "refunds_minor", "commission_returned_minor")


ADD_TO_DAY = adding(daily_total, ("day", "currency", "category"), FIGURES)
ADD_TO_PERIOD = adding(daily_available, ("day", "currency", "period_start"), ("orders", "payable_minor"))


@dataclass
class LineFigures:
    """What one line adds to its category's row."""

    category: str
    figures: Mapping[str, int] = field(default_factory=dict)


async def add_to_day(
    session: MerchantSession, day: date, currency: str, lines: Iterable[LineFigures], *, orders: int
) -> None:
    """Add an order's lines to the platform's day: once to the row of all, and to each category that they touch.

    ``orders`` is 1 for a capture and 0 for a refund, which counts no order.
    """
    sums: dict[str, dict[str, int]] = {ALL: dict.fromkeys(FIGURES, 0)}
    for line in lines:
        for category in (ALL, line.category):
            row = sums.setdefault(category, dict.fromkeys(FIGURES, 0))
            for name, amount in line.figures.items():
                row[name] += amount
    rows = [
        {"day": day, "currency": currency, "category": category, **sums[category], "orders": orders}
        for category in sorted(sums)
    ]
    await session.execute(ADD_TO_DAY, rows)


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
