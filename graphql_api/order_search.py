"""Orders and refunds across merchants, as the platform's people find them: records that show no buyer."""

from dataclasses import replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

import strawberry

from graphql_api import access
from graphql_api.context import Info
from graphql_api.enums import Collector, OrderSort, OrderStatus
from graphql_api.money import CurrencyCode, Money, MoneyInput
from graphql_api.order_loading import IN_PAGE, selects
from graphql_api.relay import Connection, connection_of, decode_cursor, decode_id, encode_cursor, encode_id, page
from merchantry.domain.errors import InvalidInput
from merchantry.domain.order_search import Amounts, Moments, OrderFilter, RefundFilter
from merchantry.domain.permission import Permission
from merchantry.domain.report_request import Span
from merchantry.domain.worded import Worded
from merchantry.services import order, order_search
from merchantry.services.order_search import FoundOrder, FoundRefund

DRILL_DOWN = "commissionReportRow"
DRILL_DOWN_SETTLED = "settlementReportRow"
NO_REFERENCE = ""


@strawberry.type(description="A line of an order, as the platform's people find it.")
class OrderRecordLine:
    sku: str
    title: str
    category: str
    quantity: int
    goods: Money
    shipping: Money
    discount: Money
    tax: Money

    @staticmethod
    def of(found: order.Line, currency: str) -> "OrderRecordLine":
        """The line from its row."""
        return OrderRecordLine(
            sku=found.sku,
            title=found.title,
            category=found.category,
            quantity=found.quantity,
            goods=Money.of(found.goods_minor, currency),
            shipping=Money.of(found.shipping_minor, currency),
            discount=Money.of(found.discount_minor, currency),
            tax=Money.of(found.tax_minor, currency),
        )


@strawberry.type(description="An order of any merchant, without its buyer.")
class OrderRecord:
    id: strawberry.ID
    merchant: str = strawberry.field(description="The merchant's slug.")
    number: str
    external_ref: str | None = strawberry.field(description="What the merchant's own system calls it.")
    status: OrderStatus
    collected_by: Collector
    goods: Money
    shipping: Money
    discount: Money
    added_tax: Money
    total: Money = strawberry.field(description="goods + shipping - discount + addedTax.")
    refunded: Money
    commission: Money | None = strawberry.field(description="Frozen at capture; null until then.")
    placed_at: datetime
    paid_at: datetime | None
    completed_at: datetime | None
    cancelled_at: datetime | None
    ship_by: datetime | None = strawberry.field(description="By when it is to be shipped; null until it is paid.")
    overdue_at: datetime | None = strawberry.field(description="When it was found to be overdue.")
    available_at: datetime | None = strawberry.field(description="When its money became the merchant's to be paid.")
    lines: list[OrderRecordLine] = strawberry.field(description="At most 500, as a checkout has.")

    @staticmethod
    def of(row: FoundOrder) -> "OrderRecord":
        """The record from its row."""
        found = row.order
        currency = found.currency
        return OrderRecord(
            id=encode_id("Order", row.merchant_id, found.id),
            merchant=row.slug,
            number=found.number,
            external_ref=found.external_ref,
            status=found.status,
            collected_by=Collector(found.collected_by),
            goods=Money.of(found.goods_minor, currency),
            shipping=Money.of(found.shipping_minor, currency),
            discount=Money.of(found.discount_minor, currency),
            added_tax=Money.of(found.added_tax_minor, currency),
            total=Money.of(found.total_minor, currency),
            refunded=Money.of(found.refunded_minor, currency),
            commission=None if found.commission_minor is None else Money.of(found.commission_minor, currency),
            placed_at=found.placed_at,
            paid_at=found.captured_at,
            completed_at=found.completed_at,
            cancelled_at=found.cancelled_at,
            ship_by=found.ship_by,
            overdue_at=found.overdue_at,
            available_at=found.available_at,
            lines=[OrderRecordLine.of(line, currency) for line in found.lines],
        )


@strawberry.type(description="A refund of any merchant's order, without its buyer.")
class RefundRecord:
    id: strawberry.ID
    merchant: str = strawberry.field(description="The merchant's slug.")
    order_id: strawberry.ID
    order_number: str
    kind: str = strawberry.field(description="cancellation, refund, return, or chargeback.")
    status: str = strawberry.field(description="pending, sent, failed, unknown or offline.")
    amount: Money
    commission: Money = strawberry.field(description="What of it the platform returned.")
    merchant_share: Money = strawberry.field(description="What of it the merchant gave back.")
    failure: str | None
    occurred_at: datetime
    sent_at: datetime | None

    @staticmethod
    def of(row: FoundRefund) -> "RefundRecord":
        """The record from its row; what people wrote as its reason is not shown, for it may name the buyer."""
        found = row.refund
        return RefundRecord(
            id=encode_id("Refund", row.merchant_id, found.order_id, found.id),
            merchant=row.slug,
            order_id=encode_id("Order", row.merchant_id, found.order_id),
            order_number=row.order_number,
            kind=found.kind,
            status=found.status,
            amount=Money.of(found.amount_minor, found.currency),
            commission=Money.of(found.commission_minor, found.currency),
            merchant_share=Money.of(found.merchant_minor, found.currency),
            failure=found.failure,
            occurred_at=found.occurred_at,
            sent_at=found.sent_at,
        )


def _optional(description: str) -> Any:
    return strawberry.field(default=None, description=description)


@strawberry.input(description="Which orders: all that is given must fit.")
class OrderFilterInput:
    merchants: list[strawberry.ID] | None = _optional("At most 1,000 ids of `platform { merchants }`.")
    statuses: list[OrderStatus] | None = _optional("One of these.")
    number: str | None = _optional("The number that people call it by.")
    external_ref: str | None = _optional("What the merchant's own system calls it.")
    buyer: strawberry.ID | None = _optional("A buyer's account, for those who have platform.buyer.read.")
    currency: CurrencyCode | None = _optional("In this currency.")
    category: str | None = _optional("With a line of this category.")
    placed_from: datetime | None = _optional("Placed at this moment or later.")
    placed_to: datetime | None = _optional("Placed before this moment.")
    captured_from: datetime | None = _optional("Paid at this moment or later.")
    captured_to: datetime | None = _optional("Paid before this moment.")
    total_from: MoneyInput | None = _optional("With a total of at least so much, in its currency.")
    total_to: MoneyInput | None = _optional("With a total of at most so much, in its currency.")
    has_open_refund: bool | None = _optional("Whether a refund is on its way, has failed, or nobody knows.")
    overdue: bool | None = _optional("True: only those that should have been shipped by now.")
    of: str | None = _optional(
        "The `drillDown` of a report's row: the orders that the row counts. A commission report that was"
        " narrowed to some merchants needs the same `merchants` here."
    )

    def to_filter(self) -> OrderFilter:
        """Raises InvalidInput, NotFound, UnknownCurrency."""
        amounts, currency = _amounts(self.total_from, self.total_to, self.currency, "total")
        wanted = OrderFilter(
            merchants=_merchant_ids(self.merchants),
            statuses=tuple(self.statuses or ()),
            number=self.number,
            external_ref=self.external_ref,
            buyer_id=None if self.buyer is None else _account(self.buyer),
            currency=currency,
            category=self.category,
            placed=Moments(self.placed_from, self.placed_to),
            captured=Moments(self.captured_from, self.captured_to),
            total=amounts,
            has_open_refund=self.has_open_refund,
        )
        return wanted if self.of is None else wanted.narrowed_to(_drilled(self.of))


@strawberry.input(description="Which refunds: all that is given must fit.")
class RefundFilterInput:
    merchants: list[strawberry.ID] | None = _optional("At most 1,000 ids of `platform { merchants }`.")
    statuses: list[str] | None = _optional("One of these: pending, sent, failed, unknown, offline.")
    kinds: list[str] | None = _optional("One of these: cancellation, refund, return, chargeback.")
    order_number: str | None = _optional("Of the order with this number.")
    currency: CurrencyCode | None = _optional("In this currency.")
    occurred_from: datetime | None = _optional("Decided at this moment or later.")
    occurred_to: datetime | None = _optional("Decided before this moment.")
    amount_from: MoneyInput | None = _optional("Of at least so much, in its currency.")
    amount_to: MoneyInput | None = _optional("Of at most so much, in its currency.")

    def to_filter(self) -> RefundFilter:
        """Raises InvalidInput, NotFound, UnknownCurrency."""
        amounts, currency = _amounts(self.amount_from, self.amount_to, self.currency, "amount")
        return RefundFilter(
            merchants=_merchant_ids(self.merchants),
            statuses=tuple(self.statuses or ()),
            kinds=tuple(self.kinds or ()),
            order_number=self.order_number,
            currency=currency,
            occurred=Moments(self.occurred_from, self.occurred_to),
            amount=amounts,
        )


async def orders(
    info: Info, given: OrderFilterInput | None, sort: OrderSort, first: int | None, after: str | None
) -> Connection[OrderRecord]:
    """Orders of all merchants."""
    context = info.context
    allowed = access.of_platform(context, Permission.PLATFORM_ORDER_READ)
    wanted = given.to_filter() if given else OrderFilter()
    if given and given.overdue:
        wanted = replace(wanted, overdue_at=context.clock())
    if wanted.buyer_id is not None:
        access.of_platform(context, Permission.PLATFORM_BUYER_READ)
    types = (datetime, UUID) if sort is OrderSort.PLACED_AT else (int, UUID)
    asked = page(f"platformOrders.{sort}", types, first, after)
    context.reads.merchants |= set(wanted.merchants or ())
    found = await order_search.find_orders(
        context.database,
        allowed.act.actor,
        wanted,
        sort,
        limit=asked.limit,
        after=asked.after,
        with_lines=selects(info, "lines", *IN_PAGE),
    )
    return connection_of(found, asked, cursor_of=lambda each: each.key(sort), node_of=OrderRecord.of)


async def refunds(
    info: Info, given: RefundFilterInput | None, first: int | None, after: str | None
) -> Connection[RefundRecord]:
    """Refunds of all merchants, newest first."""
    context = info.context
    allowed = access.of_platform(context, Permission.PLATFORM_ORDER_READ)
    wanted = given.to_filter() if given else RefundFilter()
    asked = page("platformRefunds", (datetime, UUID), first, after)
    context.reads.merchants |= set(wanted.merchants or ())
    found = await order_search.find_refunds(
        context.database, allowed.act.actor, wanted, limit=asked.limit, after=asked.after
    )
    return connection_of(found, asked, cursor_of=lambda each: each.key, node_of=RefundRecord.of)


def drill_down(span: Span, currency: str, *, merchant: UUID | None, category: str | None) -> str:
    """What ``of`` takes: the orders that a row of the commission report counts."""
    whose = NO_REFERENCE if merchant is None else str(merchant)
    return encode_cursor(DRILL_DOWN, (span.date_from, span.date_to, currency, whose, category or NO_REFERENCE))


def drill_down_settled(span: Span, currency: str, *, merchant: UUID, period: tuple[date, date]) -> str:
    """What ``of`` takes: the orders that a merchant's row of the settlement report counts."""
    return encode_cursor(DRILL_DOWN_SETTLED, (span.date_from, span.date_to, currency, merchant, *period))


def _settled(text: str) -> OrderFilter | None:
    """None where it is no row of the settlement report."""
    types = (date, date, str, UUID, date, date)
    try:
        date_from, date_to, currency, merchant, starts_on, ends_on = decode_cursor(text, DRILL_DOWN_SETTLED, types)
        span, period = Span(date_from, date_to), Span(starts_on, ends_on)
    except (InvalidInput, ValueError):
        return None
    days = (period.date_from, period.date_to)
    return OrderFilter(merchants=(merchant,), currency=currency, available_days=span, period=days)


def _drilled(text: str) -> OrderFilter:
    if settled := _settled(text):
        return settled
    try:
        date_from, date_to, currency, whose, category = decode_cursor(text, DRILL_DOWN, (date, date, str, str, str))
        span = Span(date_from, date_to)
        merchants = None if whose == NO_REFERENCE else (UUID(whose),)
    except (InvalidInput, ValueError) as error:
        reason = "This is not the drillDown of a report's row; send one as the report answered it."
        raise InvalidInput(reason=reason, path=("filter", "of")) from error
    return OrderFilter(
        merchants=merchants,
        currency=currency,
        category=None if category == NO_REFERENCE else category,
        captured_days=span,
    )


def _merchant_ids(given: list[strawberry.ID] | None) -> tuple[UUID, ...] | None:
    if given is None:
        return None
    return tuple(
        decode_id(text, "MerchantRecord", 1, ("filter", "merchants", position))[0]
        for position, text in enumerate(given)
    )


def _account(text: str) -> UUID:
    return decode_id(text, "Account", 1, ("filter", "buyer"))[0]


def _amounts(
    least: MoneyInput | None, most: MoneyInput | None, currency: str | None, name: str
) -> tuple[Amounts, str | None]:
    """The bounds in minor units, and the one currency that they, or the filter, name."""
    named = {each for each in (currency, least and least.currency, most and most.currency) if each}
    if len(named) > 1:
        reason = Worded("Amounts compare in one currency; these are {named}.", named=", ".join(sorted(named)))
        raise InvalidInput(reason=reason, path=("filter", f"{name}From"))
    lowest = least.to_minor("filter", f"{name}From") if least else None
    highest = most.to_minor("filter", f"{name}To") if most else None
    return Amounts(lowest, highest), next(iter(named), None)
