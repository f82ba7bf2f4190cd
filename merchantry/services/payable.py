"""Whether a checkout can be paid now, with what its buyer offers."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from merchantry.domain.act import Act
from merchantry.domain.errors import InvalidInput, MixedCurrencies, PaymentNotPossible, TendersMismatch
from merchantry.domain.worded import Worded
from merchantry.gateways.payment import Tender
from merchantry.services import checkout
from tenancy.database import PlatformSession

MAX_TENDERS = 10


@dataclass(frozen=True, slots=True)
class Offer:
    """What a buyer offers to pay with, the currencies of its amounts, and the methods that can be paid with."""

    tenders: Sequence[Tender]
    currencies: Collection[str]
    methods: Collection[str]


async def lock(
    session: PlatformSession, checkout_id: UUID, buyer_id: UUID, offer: Offer, act: Act
) -> checkout.Checkout:
    """The buyer's checkout, locked, which these tenders can pay.

    Raises NotFound, PaymentNotPossible (paid, expired, or another payment is open), InvalidInput, MixedCurrencies,
    TendersMismatch.
    """
    row = (await session.execute(checkout.LOCK_TO_PAY, {"checkout": checkout_id})).one_or_none()
    return from_row(row, buyer_id, offer, act)


def from_row(row: Row[Any] | None, buyer_id: UUID, offer: Offer, act: Act) -> checkout.Checkout:
    """:func:`lock` from a row of `checkout.LOCK_TO_PAY`; the same is raised."""
    found = checkout.from_row(row, buyer_id)
    if found.status != "awaiting_payment" or found.expires_at <= act.at:
        status = found.status if found.status != "awaiting_payment" else "expired"
        raise PaymentNotPossible(status=status, path=("input", "checkoutId"))
    if row is not None and row.is_being_paid:
        raise PaymentNotPossible(status="processing", path=("input", "checkoutId"))
    _check_tenders(found, offer)
    return found


def _check_tenders(found: checkout.Checkout, offer: Offer) -> None:
    tenders, currencies = offer.tenders, set(offer.currencies) - {found.currency}
    if len(tenders) > MAX_TENDERS:
        raise InvalidInput(reason=Worded("Pay in at most {most} tenders.", most=MAX_TENDERS), path=("input", "tenders"))
    for position, each in enumerate(tenders):
        if each.method not in offer.methods:
            known = ", ".join(sorted(offer.methods))
            reason = Worded("Pay with one of {known}.", known=known)
            raise InvalidInput(reason=reason, path=("input", "tenders", position, "method"))
    if currencies:
        names = (found.currency, *sorted(currencies))
        raise MixedCurrencies(currencies=names, path=("input", "tenders"))
    given = sum(each.amount_minor for each in tenders)
    if given != found.total_minor or min((each.amount_minor for each in tenders), default=0) < 0:
        raise TendersMismatch(
            expected_minor=found.total_minor, given_minor=given, currency=found.currency, path=("input", "tenders")
        )
