"""What an import says in the end: what went in, what was odd, what was left out."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from merchantry.imports.olist.files import Skipped
from merchantry.imports.olist.model import Sale


@dataclass(frozen=True, slots=True)
class Counts:
    """How much went in."""

    checkouts: int
    merchants: int
    orders: int
    lines: int


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A checkout whose payments sum to something else than its orders; the orders' total was captured."""

    checkout: str
    orders_minor: int
    paid_minor: int


@dataclass(frozen=True, slots=True)
class Report:
    """Oddities count all checkouts of the files that are in the database, whichever run brought them.

    ``seconds`` is the time of products, buyers and checkouts, without the provisioning of merchants.
    """

    now: Counts
    before: Counts
    several_merchants: int
    several_tenders: int
    payment_differs: tuple[Mismatch, ...]
    shipped_before_captured: int
    delivered_before_captured: int
    delivered_before_shipped: int
    undelivered: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    seconds: float

    @property
    def checkouts_per_second(self) -> float:
        """The rate of this run."""
        return self.now.checkouts / self.seconds if self.seconds else 0.0

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {**asdict(self), "seconds": round(self.seconds, 1), "per_second": round(self.checkouts_per_second, 1)}


def report_of(
    now: Sequence[Sale], before: Sequence[Sale], skipped: Sequence[Skipped], new_merchants: int, seconds: float
) -> Report:
    """Count."""
    there = [*before, *now]
    sellers = {order.seller_id for sale in there for order in sale.orders}
    return Report(
        now=_counts(now, new_merchants),
        before=_counts(before, len(sellers) - new_merchants),
        several_merchants=sum(len(sale.orders) > 1 for sale in there),
        several_tenders=sum(len(sale.tenders) > 1 for sale in there),
        payment_differs=tuple(
            Mismatch(sale.id, sale.total_minor, sale.paid_minor)
            for sale in there
            if sale.total_minor != sale.paid_minor
        ),
        shipped_before_captured=sum(bool(sale.shipped_at and sale.shipped_at < sale.captured_at) for sale in there),
        delivered_before_captured=sum(
            bool(sale.delivered_at and sale.delivered_at < sale.captured_at) for sale in there
        ),
        delivered_before_shipped=sum(
            bool(sale.delivered_at and sale.shipped_at and sale.delivered_at < sale.shipped_at) for sale in there
        ),
        undelivered=tuple(sale.id for sale in there if sale.delivered_at is None),
        skipped=tuple(sorted(skipped, key=lambda each: (each.file, each.line))),
        seconds=seconds,
    )


def _counts(sales: Sequence[Sale], merchants: int) -> Counts:
    return Counts(
        checkouts=len(sales),
        merchants=merchants,
        orders=sum(len(sale.orders) for sale in sales),
        lines=sum(len(order.lines) for sale in sales for order in sale.orders),
    )
