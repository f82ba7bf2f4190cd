"""What orders and refunds are searched by, over all merchants."""

from collections.abc import Collection
from dataclasses import dataclass, fields, replace
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from merchantry.domain.errors import InvalidInput, UnknownCurrency
from merchantry.domain.money import CURRENCY_DIGITS
from merchantry.domain.order import OrderStatus
from merchantry.domain.report_request import Span
from merchantry.domain.worded import Worded

MAX_MERCHANTS: Final = 1_000
MAX_REFERENCE: Final = 200


class OrderSort(StrEnum):
    """What orders are sorted by, the greatest first."""

    PLACED_AT = "placed_at"
    TOTAL = "total"


@dataclass(frozen=True, slots=True)
class Moments:
    """Moments with ``starts_at <= moment < ends_at``; None is without an end."""

    starts_at: datetime | None = None
    ends_at: datetime | None = None

    @property
    def is_empty(self) -> bool:
        """Whether no moment lies between."""
        return self.starts_at is not None and self.ends_at is not None and self.starts_at >= self.ends_at

    @property
    def are_all(self) -> bool:
        """Whether every moment lies between."""
        return self == Moments()


@dataclass(frozen=True, slots=True)
class Amounts:
    """Amounts from ``least_minor`` to ``most_minor``, both included; None is without an end."""

    least_minor: int | None = None
    most_minor: int | None = None

    @property
    def are_all(self) -> bool:
        """Whether every amount lies between."""
        return self == Amounts()


ALWAYS, ALL_AMOUNTS = Moments(), Amounts()


@dataclass(frozen=True, slots=True)
class OrderFilter:
    """Which orders; whatever is None or empty says nothing. ``category`` is one that a line of the order has.

    ``captured_days`` are days of the mall, as reports count them. With ``overdue_at`` those that should have been
    shipped at that moment.
    """

    merchants: tuple[UUID, ...] | None = None
    statuses: tuple[OrderStatus, ...] = ()
    number: str | None = None
    external_ref: str | None = None
    buyer_id: UUID | None = None
    currency: str | None = None
    category: str | None = None
    placed: Moments = ALWAYS
    captured: Moments = ALWAYS
    captured_days: Span | None = None
    total: Amounts = ALL_AMOUNTS
    has_open_refund: bool | None = None
    overdue_at: datetime | None = None

    @property
    def is_indexed(self) -> bool:
        """Whether the platform's own index of orders knows all that it asks for."""
        named = {each.name for each in fields(self) if getattr(self, each.name) != each.default}
        return named <= {"merchants", "statuses", "number", "buyer_id", "currency", "placed", "total"}

    def narrowed_to(self, row: "OrderFilter") -> "OrderFilter":
        """Those of them that a report's row counts. Raises InvalidInput where the two contradict each other."""
        given = {name: getattr(row, name) for name in ("currency", "category", "captured_days", "merchants")}
        for name, value in given.items():
            held = getattr(self, name)
            is_among = name == "merchants" and held is not None and value is not None and value[0] in held
            if value is not None and held not in (None, value) and not is_among:
                raise InvalidInput(reason="The row counts no such orders.", path=("filter", "of"))
        return replace(self, **{name: value for name, value in given.items() if value is not None})


@dataclass(frozen=True, slots=True)
class RefundFilter:
    """Which refunds; whatever is None or empty says nothing."""

    merchants: tuple[UUID, ...] | None = None
    statuses: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    order_number: str | None = None
    currency: str | None = None
    occurred: Moments = ALWAYS
    amount: Amounts = ALL_AMOUNTS


def check_orders(wanted: OrderFilter, sort: OrderSort) -> None:
    """Raises InvalidInput and UnknownCurrency, with the argument as the path."""
    _check_merchants(wanted.merchants)
    _check_moments(wanted.placed, "placedTo")
    _check_moments(wanted.captured, "capturedTo")
    _check_amounts(wanted.total, wanted.currency, "totalFrom")
    for name, text in (("number", wanted.number), ("externalRef", wanted.external_ref)):
        _check_reference(text, name)
    if sort is OrderSort.TOTAL and wanted.currency is None:
        reason = "Totals of different currencies have no order; choose one currency too."
        raise InvalidInput(reason=reason, path=("sort",))


def check_refunds(wanted: RefundFilter) -> None:
    """Raises InvalidInput and UnknownCurrency, with the argument as the path."""
    _check_merchants(wanted.merchants)
    _check_moments(wanted.occurred, "occurredTo")
    _check_amounts(wanted.amount, wanted.currency, "amountFrom")
    _check_reference(wanted.order_number, "orderNumber")


def _check_merchants(given: Collection[UUID] | None) -> None:
    if given is not None and len(given) > MAX_MERCHANTS:
        raise InvalidInput(
            reason=Worded("Give at most {most} merchants.", most=MAX_MERCHANTS), path=("filter", "merchants")
        )


def _check_moments(given: Moments, name: str) -> None:
    if given.is_empty:
        reason = "The span is empty: its end no longer counts, so it must be after its start."
        raise InvalidInput(reason=reason, path=("filter", name))


def _check_amounts(given: Amounts, currency: str | None, name: str) -> None:
    if currency is not None and currency not in CURRENCY_DIGITS:
        raise UnknownCurrency(currency=currency[:12], path=("filter", "currency"))
    if given.least_minor is not None and given.most_minor is not None and given.least_minor > given.most_minor:
        raise InvalidInput(reason="The least amount is more than the most.", path=("filter", name))
    if not given.are_all and currency is None:
        raise InvalidInput(reason="Amounts compare in one currency; choose it too.", path=("filter", "currency"))


def _check_reference(given: str | None, name: str) -> None:
    if given is not None and not 0 < len(given) <= MAX_REFERENCE:
        raise InvalidInput(reason=Worded("Give 1 to {most} characters.", most=MAX_REFERENCE), path=("filter", name))
