"""One merchant's refunds recounted: each against its entry, and their sums against lines, orders and tenders."""

from collections import Counter
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, exists, func, or_, select

from merchantry.domain.ledger import Account
from merchantry.domain.seller import PLATFORM_PART, PURCHASE, SALES, SellerOfRecord, platform_part, sale_details, whole
from merchantry.services.books import Books, Law
from merchantry.tables.merchant import ledger_entry, order_line, orders, refund
from merchantry.tables.platform import buyer_order, payment, tender
from tenancy.database import MerchantSession, PlatformSession

MOST = 100
"""Rows that are named where many break the law."""

TO_BUYER = frozenset({Account.REFUNDS, Account.BUYER_FUNDS})

COUNTS = or_(refund.c.kind != "chargeback", refund.c.status != "failed")
"""A chargeback that was won after it was lost is no refund any more; a refund that fails is still owed."""


async def check(session: MerchantSession, books: Books) -> None:
    """Every law of refunds, on what is stored in the merchant's schema."""
    table = refund.c
    statement = (
        select(
            refund,
            ledger_entry.c.account,
            ledger_entry.c.amount,
            ledger_entry.c.details,
            orders.c.collected_by,
            orders.c.seller_of_record,
        )
        .join(orders, orders.c.id == table.order_id)
        .outerjoin(ledger_entry, ledger_entry.c.seq == table.entry_seq)
    )
    for row in await session.execute(statement):
        _check_entry(row, books)
    await _check_orders(session, books)
    await _check_lines(session, books)


def _check_entry(row: Row[Any], books: Books) -> None:
    """The entry gave the buyer this much, and took this much of the platform's commission; so say the row's lines.

    A refund from before rows had lines was of a whole order.
    """
    posted = Counter[str]()
    for account, amount in zip(row.account or (), row.amount or (), strict=True):
        posted[account] += amount
    refunded_minor = sum(posted[account] for account in TO_BUYER)
    is_collected = row.collected_by == "merchant"
    lines_minor = sum(row.goods_minor) + sum(row.shipping_minor) if row.line_ids else row.amount_minor
    lines = row.parties.get("lines", ())
    seller = SellerOfRecord(row.seller_of_record)
    part = platform_part(seller, -row.commission_minor, -sum(line["subsidy_minor"] for line in lines))
    account = PLATFORM_PART[seller]
    expected = (row.amount_minor, lines_minor, part[account])
    found = (
        row.amount_minor if is_collected else refunded_minor - _excess(row),
        row.amount_minor,
        posted[account],
    )
    if expected != found:
        books.report(Law.REFUND, f"refund {row.id}", expected=expected, found=found)
    if seller is SellerOfRecord.PRINCIPAL:
        _check_sale(row, books, is_pending=bool(posted[Account.MERCHANT_PENDING]))


def _check_sale(row: Row[Any], books: Books, *, is_pending: bool) -> None:
    """What was sold is taken back; what was bought too, where it had been released before."""
    lines = row.parties.get("lines", ())
    sales_minor = sum(line["sales_tax_minor"] for line in lines) - row.amount_minor
    purchase_minor = 0 if is_pending else -sum(line["merchant_minor"] for line in lines)
    expected = sale_details(SellerOfRecord.PRINCIPAL, sales_minor=sales_minor, purchase_minor=purchase_minor)
    found = {name: whole(row.details or {}, name) for name in (SALES, PURCHASE)}
    if expected != found:
        books.report(Law.SALES, f"refund {row.id}", expected=expected, found=found)


def _excess(row: Row[Any]) -> int:
    """What a bank took above the sale stands in the chargeback's entry beside the refund."""
    excess: int = row.parties.get("excess_minor", 0)
    return excess


async def _check_orders(session: MerchantSession, books: Books) -> None:
    summed = (
        select(refund.c.order_id, func.sum(refund.c.amount_minor).label("amount"))
        .where(COUNTS)
        .group_by(refund.c.order_id)
        .subquery()
    )
    amount = func.coalesce(summed.c.amount, 0)
    wrong = (
        select(orders.c.number, orders.c.refunded_minor, amount.label("amount"))
        .outerjoin(summed, summed.c.order_id == orders.c.id)
        .where(orders.c.refunded_minor != amount)
        .order_by(orders.c.number)
        .limit(MOST)
    )
    for row in await session.execute(wrong):
        books.report(Law.REFUND, f"order {row.number}", expected=row.amount, found=row.refunded_minor)


async def _check_lines(session: MerchantSession, books: Books) -> None:
    each = (
        select(
            func.unnest(refund.c.line_ids).label("line_id"),
            func.unnest(refund.c.quantities).label("quantity"),
            func.unnest(refund.c.goods_minor).label("goods"),
            func.unnest(refund.c.shipping_minor).label("shipping"),
        )
        .where(COUNTS)
        .subquery()
    )
    summed = (
        select(
            each.c.line_id,
            func.sum(each.c.quantity).label("quantity"),
            func.sum(each.c.goods).label("goods"),
            func.sum(each.c.shipping).label("shipping"),
        )
        .group_by(each.c.line_id)
        .subquery()
    )
    kept = (order_line.c.refunded_goods_minor, order_line.c.refunded_shipping_minor)
    sums = [func.coalesce(summed.c[name], 0).label(name) for name in ("goods", "shipping")]
    wrong = (
        select(order_line.c.id, *kept, *sums)
        .outerjoin(summed, summed.c.line_id == order_line.c.id)
        .where(~exists().where(refund.c.order_id == order_line.c.order_id, refund.c.line_ids == []))
        .where(or_(*(column != total for column, total in zip(kept, sums, strict=True))))
        .limit(MOST)
    )
    for row in await session.execute(wrong):
        books.report(Law.REFUND, f"line {row.id}", expected=tuple(row[3:5]), found=tuple(row[1:3]))


async def check_payments(session: PlatformSession, merchant_id: UUID, books: Books) -> None:
    """The payments of the merchant's orders have refunded what their tenders got back."""
    summed = (
        select(tender.c.payment_id, func.sum(tender.c.refunded_minor).label("amount"))
        .group_by(tender.c.payment_id)
        .subquery()
    )
    wrong: Sequence[Row[Any]] = (
        await session.execute(
            select(payment.c.id, payment.c.refunded_minor, summed.c.amount)
            .join(buyer_order, buyer_order.c.checkout_id == payment.c.checkout_id)
            .join(summed, summed.c.payment_id == payment.c.id)
            .where(buyer_order.c.merchant_id == merchant_id, payment.c.refunded_minor != summed.c.amount)
            .limit(MOST)
        )
    ).all()
    for row in wrong:
        books.report(Law.REFUND, f"payment {row.id}", expected=row.amount, found=row.refunded_minor)
