"""The payment provider's fee, once it is known: the difference to what was estimated at capture."""

from uuid import UUID

from merchantry.domain import entries
from merchantry.domain.act import Act
from merchantry.domain.entries import Collector
from merchantry.domain.errors import InvalidInput
from merchantry.domain.ledger import Account, EntryKind, Json
from merchantry.domain.line_split import LineSplit
from merchantry.domain.order import OrderStatus
from merchantry.domain.payment_fee import fee_true_up
from merchantry.domain.reversal import Refunded, reversed_so_far
from merchantry.domain.seller import sale_details
from merchantry.domain.settlement import local_day
from merchantry.services import audit, ledger, order, split, totals
from merchantry.services.mall import mall_zone
from merchantry.services.order import Line, Order
from merchantry.services.totals import LineFigures
from tenancy.database import MerchantSession

OVER = (OrderStatus.CANCELLED, OrderStatus.REFUNDED)


async def true_up_fee(session: MerchantSession, order_id: UUID, actual_minor: int, act: Act) -> bool:
    """An order's share of the provider's fee is known: whoever bears a line's fee bears its difference.

    The merchant's is booked where its money stands, pending or available; refunds take their part of it back, those of
    before are left out of it. False where this fee was booked before.
    Raises NotFound, and InvalidInput for a second, other fee, for a negative one, and for orders that no provider was
    paid for.
    """
    found = await order.load(session, order_id)
    if found.capture_seq is None or found.collected_by != Collector.PLATFORM:
        raise InvalidInput(reason="No provider took money for this order, so there is no fee.", path=("order_id",))
    if actual_minor < 0:
        raise InvalidInput(reason="A fee is not negative.", path=("actual_minor",))
    for each in await ledger.entries_of(session, order_id):
        if each.entry.kind is EntryKind.FEE_TRUE_UP:
            if each.entry.details["actual_minor"] == actual_minor:
                return False
            reason = "Another fee was booked for this order already; correct it by an adjustment."
            raise InvalidInput(reason=reason, path=("actual_minor",))
    frozen = await split.lines_of(session, [order_id])
    await _book(session, found, [frozen[line.id].split for line in found.lines], actual_minor, act)
    return True


def changes(lines: list[LineSplit], actual_minor: int) -> tuple[list[int], list[int]]:
    """What each line's fee changes by when an order's comes to this much: for the merchant, and for the platform."""
    estimated = [line.payment_fee_minor + line.platform_fee_minor for line in lines]
    changed = fee_true_up(estimated, actual_minor, [line.paid_minor for line in lines])
    of_merchant = [change if line.payment_fee_minor else 0 for line, change in zip(lines, changed, strict=True)]
    return of_merchant, [change - part for change, part in zip(changed, of_merchant, strict=True)]


async def changed(session: MerchantSession, order_id: UUID, lines: list[LineSplit]) -> list[int]:
    """What the provider's real fee has changed of each line's where the merchant bears it; else nothing is read."""
    if not any(line.payment_fee_minor for line in lines):
        return [0] * len(lines)
    for each in await ledger.entries_of(session, order_id):
        if each.entry.kind is EntryKind.FEE_TRUE_UP:
            return changes(lines, int(str(each.entry.details["actual_minor"])))[0]
    return [0] * len(lines)


def _left(currency: str, line: Line, frozen: LineSplit, change_minor: int) -> int:
    """What of a change is still the merchant's: a refund of before took back its part of it, where fees come back."""
    if not frozen.paid_minor:
        return change_minor
    refunded = Refunded(line.refunded_goods_minor, line.refunded_shipping_minor)
    with_change = reversed_so_far(currency, frozen, refunded, fee_change_minor=change_minor)
    return change_minor - with_change.payment_fee_minor + reversed_so_far(currency, frozen, refunded).payment_fee_minor


def figures(category: str, change_minor: int) -> LineFigures:
    """What a line's change counts on the day of the true-up."""
    return LineFigures(category, {"payment_fee_minor": change_minor, "net_minor": -change_minor})


async def _book(session: MerchantSession, found: Order, lines: list[LineSplit], actual_minor: int, act: Act) -> None:
    of_merchant, of_platform = changes(lines, actual_minor)
    left = [_left(found.currency, *each) for each in zip(found.lines, lines, of_merchant, strict=True)]
    platform_minor = sum(of_platform) + sum(of_merchant) - sum(left)
    rows: list[Json] = [[line.category, change] for line, change in zip(found.lines, left, strict=True) if change]
    is_pending = found.available_at is None and found.status not in OVER
    entry = entries.fee_true_up(
        found.id,
        sum(left),
        found.currency,
        borne_from=Account.MERCHANT_PENDING if is_pending else Account.MERCHANT_AVAILABLE,
        occurred_at=act.at,
        capture_seq=found.capture_seq or 0,
        details={
            "number": found.number,
            "actual_minor": actual_minor,
            "platform_minor": platform_minor,
            "categories": rows,
            **sale_details(found.seller, purchase_minor=0 if is_pending else -sum(left)),
        },
    )
    await ledger.book(session, entry, act, entries.platform_side(entry, earned=False))
    counted = [figures(line.category, change) for line, change in zip(found.lines, left, strict=True)]
    day = local_day(act.at, await mall_zone(session))
    await totals.add_to_day(session, day, found.currency, counted, orders=0)
    after = {"actual_minor": actual_minor, "merchant_minor": sum(left), "currency": found.currency}
    await audit.record(session, session.merchant_id, act, "payment_fee.true_up", str(found.id), None, after)
