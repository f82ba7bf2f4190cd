"""Refunds: what goes back to a buyer, from whom it is taken, and what staff may do about it."""

from datetime import datetime
from typing import Any
from uuid import UUID

import strawberry

from graphql_api.money import Money
from graphql_api.relay import Node, encode_id
from merchantry.services import order_view


@strawberry.type(description="A refund's part of one line.")
class RefundLine:
    line_id: strawberry.ID
    quantity: int = strawberry.field(description="Pieces; none where only money went back.")
    goods: Money
    shipping: Money


@strawberry.type(description="What a refund took back from each party; refund and subsidy together are the others.")
class RefundParties:
    merchant: Money
    commission: Money = strawberry.field(description="Returned by the platform, as the plan's policy says.")
    commission_tax: Money
    payment_fee: Money
    sales_tax: Money
    shares: Money = strawberry.field(description="Returned by suppliers and affiliates.")
    subsidy: Money = strawberry.field(description="What of its discount the platform got back.")


@strawberry.type(description="Money of an order that goes back to its buyer.")
class Refund(Node):
    id: strawberry.ID
    order_id: strawberry.ID
    kind: str = strawberry.field(description="cancellation, refund, return, or chargeback.")
    amount: Money
    reason: str
    status: str = strawberry.field(
        description="pending until the payment provider is asked, unknown while it does not answer, then sent; failed "
        "where it refuses; offline where somebody else paid the buyer."
    )
    lines: list[RefundLine]
    restocked: bool
    failure: str | None = strawberry.field(description="Why it failed; for staff.")
    parties: RefundParties | None = strawberry.field(description="For staff who may read the ledger.")
    occurred_at: datetime
    sent_at: datetime | None

    @staticmethod
    def of(merchant_id: UUID, found: order_view.Refund, *, for_staff: bool, with_parties: bool) -> "Refund":
        """The refund from its row, with as much as the reader may know."""
        lines = zip(found.line_ids, found.quantities, found.goods_minor, found.shipping_minor, strict=True)
        return Refund(
            id=encode_id("Refund", merchant_id, found.order_id, found.id),
            order_id=encode_id("Order", merchant_id, found.order_id),
            kind=found.kind,
            amount=Money.of(found.amount_minor, found.currency),
            reason=found.reason,
            status=found.status,
            lines=[
                RefundLine(
                    line_id=encode_id("OrderLine", merchant_id, found.order_id, line_id),
                    quantity=quantity,
                    goods=Money.of(goods_minor, found.currency),
                    shipping=Money.of(shipping_minor, found.currency),
                )
                for line_id, quantity, goods_minor, shipping_minor in lines
            ],
            restocked=found.restocked,
            failure=found.failure if for_staff else None,
            parties=_parties(found) if with_parties else None,
            occurred_at=found.occurred_at,
            sent_at=found.sent_at,
        )


def _parties(found: order_view.Refund) -> RefundParties:
    lines: list[dict[str, Any]] = found.parties.get("lines", [])

    def total(name: str) -> Money:
        return Money.of(sum(line[name] for line in lines), found.currency)

    shares = sum(share["amount_minor"] for line in lines for share in line["shares"])
    return RefundParties(
        merchant=Money.of(found.merchant_minor, found.currency),
        commission=Money.of(found.commission_minor, found.currency),
        commission_tax=total("commission_tax_minor"),
        payment_fee=total("payment_fee_minor"),
        sales_tax=total("sales_tax_minor"),
        shares=Money.of(shares, found.currency),
        subsidy=total("subsidy_minor"),
    )
