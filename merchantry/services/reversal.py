"""Taking back what a sale gave to each party, from its frozen split: for refunds and chargebacks alike."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from merchantry.domain import entries
from merchantry.domain.act import Act
from merchantry.domain.closing import Charges, charge_details, summed
from merchantry.domain.entries import Collector
from merchantry.domain.ledger import Entry, Json
from merchantry.domain.line_amounts import LineAmounts
from merchantry.domain.refund import RefundLine, RefundPart
from merchantry.domain.refund_entries import Sale, Stage
from merchantry.domain.reversal import Refunded, reversed_so_far
from merchantry.domain.seller import sale_details
from merchantry.domain.settlement import local_day
from merchantry.domain.tier_refund import TakenBack, TieredLine
from merchantry.services import ledger, payment_fee, review_hold, split, totals, volume_refund
from merchantry.services.order import Line, Order
from merchantry.services.split import FrozenLine
from merchantry.services.terms import Terms
from merchantry.services.volume_refund import TiersOf, Windows
from merchantry.tables.merchant import order_line
from tenancy.database import MerchantSession
from tenancy.writes import Changed, write

PARTIES: Final = (
    "merchant_minor",
    "commission_minor",
    "commission_tax_minor",
    "payment_fee_minor",
    "sales_tax_minor",
    "subsidy_minor",
)


@dataclass(frozen=True, slots=True)
class Ground:
    """What reversals rest on: the merchant's terms now, and the tiers of the plan versions that lines were rated by."""

    terms: Terms
    tiers: TiersOf


def sale_of(found: Order) -> Sale:
    """What entries need to know of a captured order. Raises ValueError for one that was not captured."""
    if found.capture_seq is None:
        raise ValueError(f"order {found.id} was not captured")
    stage = Stage.PENDING if found.available_at is None else Stage.AVAILABLE
    return Sale(found.id, found.currency, found.capture_seq, stage, Collector(found.collected_by), found.seller)


async def lines_of(session: MerchantSession, found: Order) -> tuple[RefundLine, ...]:
    """The lines of a captured order with their frozen splits and what was refunded of them before."""
    frozen = await split.lines_of(session, [found.id])
    states = {state.id: state for state in found.state.lines}
    splits = [frozen[line.id].split for line in found.lines]
    changed = await payment_fee.changed(session, found.id, splits)
    return tuple(
        RefundLine(each, states[line.id], Refunded(line.refunded_goods_minor, line.refunded_shipping_minor), change)
        for line, each, change in zip(found.lines, splits, changed, strict=True)
    )


def left_of(line: Line) -> Refunded:
    """What can still be refunded of a paid line."""
    amounts = LineAmounts(
        line.goods_minor,
        line.shipping_minor,
        line.discount_merchant_minor,
        line.discount_platform_minor,
        split.tax_of(line),
    )
    return Refunded(
        amounts.paid_goods_minor - line.refunded_goods_minor, amounts.paid_shipping_minor - line.refunded_shipping_minor
    )


def details_of(found: Order, parts: Sequence[RefundPart], sign: int = 1) -> dict[str, Json]:
    """What an entry's details say of what it takes back, or gives again with ``sign`` -1.

    What the merchant is charged of commission is negative where it comes back (`charge_details`); ``categories``
    are rows of category, refunded amount, commission returned, and the merchant's part, as they count in reports.
    """
    sums: dict[str, list[int]] = {}
    for category, part in zip(_categories(found, parts), parts, strict=True):
        row = sums.setdefault(category, [0, 0, 0])
        each = part.refunded.total_minor, part.reversal.returned_minor, part.reversal.merchant_minor
        row[:] = [held + sign * amount for held, amount in zip(row, each, strict=True)]
    categories: list[Json] = [[category, *sums[category]] for category in sorted(sums)]
    return {
        "number": found.number,
        "stage": "pending" if found.available_at is None else "available",
        **charge_details(summed(_charges(part, -sign) for part in parts)),
        **_sale_details(found, parts, -sign),
        "categories": categories,
    }


def _sale_details(found: Order, parts: Sequence[RefundPart], sign: int) -> dict[str, Json]:
    """What the platform's own sale, and its purchase, change by; before the release there is no purchase yet."""
    sales_minor = sum(part.refunded.total_minor - part.reversal.sales_tax_minor for part in parts)
    purchase_minor = sum(part.reversal.merchant_minor for part in parts) if found.available_at else 0
    return sale_details(found.seller, sales_minor=sign * sales_minor, purchase_minor=sign * purchase_minor)


def _charges(part: RefundPart, sign: int) -> Charges:
    of = part.reversal
    return {part.line.split.commission.commission_tax_bps: (sign * of.returned_minor, sign * of.commission_tax_minor)}


def _categories(found: Order, parts: Sequence[RefundPart]) -> list[str]:
    of_line = {line.id: line.category for line in found.lines}
    return [of_line[part.line.id] for part in parts]


async def book(
    session: MerchantSession,
    found: Order,
    entry: Entry,
    parts: Sequence[RefundPart],
    ground: Ground,
    act: Act,
    *,
    sign: int = 1,
) -> int:
    """Book what is taken back, and count it on the day of the act and on the lines; with ``sign`` -1 it comes back.

    Returns the entry's ``seq``. The order is locked by the caller, who counts it on the order's own row.
    """
    taken = await _out_of_volumes(session, found, entry, parts, ground, act, sign)
    if taken:
        entry = replace(entry, details={**entry.details, "volumes": [each.row() for each in taken]})
    if sign > 0:
        await review_hold.taken_back(session, found, entry, act)
    side = entries.platform_side(entry, earned=found.available_at is not None)
    seq = await ledger.book(session, entry, act, side)
    if not parts:  # a bank took only what was above the sale: no line has anything to do with it
        return seq
    figures = [
        totals.taken_back(
            category,
            sign * part.refunded.total_minor,
            sign * part.reversal.returned_minor,
            sign * part.reversal.merchant_minor,
        )
        for category, part in zip(_categories(found, parts), parts, strict=True)
    ]
    await totals.add_to_day(session, local_day(act.at, ground.terms.mall_zone), found.currency, figures, orders=0)
    of_line = {line.id: line.category for line in found.lines}
    await volume_refund.book_taken_back(session, found, taken, of_line, seq, ground.terms, act)
    await write(session, *(_counted(part, sign) for part in parts))
    return seq


async def _out_of_volumes(
    session: MerchantSession,
    found: Order,
    entry: Entry,
    parts: Sequence[RefundPart],
    ground: Ground,
    act: Act,
    sign: int,
) -> list[TakenBack]:
    tiered = [part for part in parts if part.line.split.commission.tier_mode is not None]
    if not tiered or found.captured_at is None or found.capture_seq is None:
        return []
    frozen = await split.lines_of(session, [found.id])
    lines = [_tiered(frozen[part.line.id], part, found.currency, is_undone=sign < 0) for part in tiered]
    schedules = ground.terms.schedules
    windows = Windows(
        found.seller, found.currency, found.captured_at, found.capture_seq, act.at, schedules, ground.tiers
    )
    if sign > 0:
        return await volume_refund.take_out(session, lines, windows)
    undone = (await ledger.entry_of(session, entry.reverses or 0)).entry
    lowered_by = {each.line_id: each.lowered_minor for each in volume_refund.rows_of(undone)}
    return await volume_refund.put_back(session, lines, windows, lowered_by)


def _tiered(frozen: FrozenLine, part: RefundPart, currency: str, *, is_undone: bool) -> TieredLine:
    """The part as volumes see it; what a refund that is undone had refunded is in `before` already."""
    rated, before_minor = frozen.commission, 0
    if part.line.split.paid_minor:
        before_minor = reversed_so_far(currency, frozen.split, part.line.before).base_minor
    return TieredLine(
        line_id=part.line.id,
        plan=frozen.plan,
        plan_version=frozen.plan_version,
        rule=rated.rule,
        bound=rated.bound != "none",
        rate_bps=rated.rate_bps,
        base_before_minor=before_minor - (part.reversal.base_minor if is_undone else 0),
        base_minor=part.reversal.base_minor,
        part_minor=part.reversal.rate_part_minor,
    )


async def tiered_versions(session: MerchantSession, order_id: UUID) -> list[tuple[str, int]]:
    """The plan versions by whose tiers lines of an order were rated; mostly none."""
    frozen = await split.lines_of(session, [order_id])
    tiered = (each for each in frozen.values() if each.split.commission.tier_mode is not None)
    return sorted({(each.plan, each.plan_version) for each in tiered})


def _counted(part: RefundPart, sign: int) -> Changed:
    """The line with what was refunded of it. A chargeback that comes back was for no pieces."""
    before, state = part.line.before, part.line.state
    row = {
        "refunded": state.refunded + part.pieces.quantity,
        "cancelled": state.cancelled + part.pieces.cancelled,
        "refunded_goods_minor": before.goods_minor + sign * part.refunded.goods_minor,
        "refunded_shipping_minor": before.shipping_minor + sign * part.refunded.shipping_minor,
    }
    return Changed(order_line, {"id": part.line.id}, row)


def document(part: RefundPart) -> dict[str, Json]:
    """What a refund keeps of how a line's part was taken back from each party."""
    shares: list[Json] = [dict(share.document()) for share in part.reversal.shares]
    return {
        "line_id": str(part.line.id),
        **{name: getattr(part.reversal, name) for name in PARTIES},
        "returned_minor": part.reversal.returned_minor,
        "shares": shares,
    }


def columns(parts: Sequence[RefundPart]) -> dict[str, list[UUID] | list[int]]:
    """Lines, quantities and amounts side by side, as the refund's row has them."""
    return {
        "line_ids": [part.line.id for part in parts],
        "quantities": [part.pieces.quantity for part in parts],
        "goods_minor": [part.refunded.goods_minor for part in parts],
        "shipping_minor": [part.refunded.shipping_minor for part in parts],
    }
