"""Closing a merchant's periods: which entries a statement claims, and what of its balance can be paid. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from merchantry.domain.ledger import EntryKind, Json
from merchantry.domain.money import of_bps
from merchantry.domain.seller import PURCHASE, is_purchase, whole
from merchantry.domain.settlement import Period, Schedule, period_at


@dataclass(frozen=True, slots=True)
class Claimable:
    """An entry's change of the available balance in one currency that no statement has claimed yet."""

    seq: int
    kind: EntryKind
    order_number: str | None
    currency: str
    available_at: datetime
    amount_minor: int
    reverses: int | None
    details: Mapping[str, Json]
    commission_minor: int
    commission_tax_minor: int
    """What the entry itself posts to the platform's commission and the tax on it."""


def due(
    unclaimed: Sequence[Claimable], schedules: Sequence[Schedule], closed_until: datetime | None, until: datetime
) -> tuple[Period, tuple[Claimable, ...]] | None:
    """The earliest period that has ended by `until` and has entries to claim, with those; None where there is none.

    What was booked after its own period was closed (up to `closed_until`) belongs to the next one. All entries are of
    one currency.
    """
    if not unclaimed:
        return None
    starts = (max(each.available_at, closed_until or each.available_at) for each in unclaimed)
    period = period_at(min(starts), schedules)
    if period.ends_at > until:
        return None
    return period, tuple(each for each in unclaimed if each.available_at < period.ends_at)


class Unpaid(StrEnum):
    """Why a statement's balance, or a part of it, is not paid out now."""

    NOTHING_DUE = "nothing_due"
    BELOW_MINIMUM = "below_minimum"
    NO_PAYEE_ACCOUNT = "no_payee_account"


@dataclass(frozen=True, slots=True)
class Payable:
    """What of a closing balance is kept as risk reserve, and what is paid. `unpaid` says why nothing is."""

    reserve_minor: int
    payout_minor: int
    unpaid: Unpaid | None


def payable(
    closing_minor: int, sales_minor: int, available_minor: int, *, reserve_bps: int, minimum_minor: int
) -> Payable:
    """Divide a closing balance: the reserve is a share of the period's sales, the rest is paid.

    Never more than is available now (money may have been taken back since the period ended), nothing at or below zero,
    and nothing below the minimum: it is carried.
    """
    most = max(min(closing_minor, available_minor), 0)
    reserve_minor = min(of_bps(max(sales_minor, 0), reserve_bps), most)
    rest = most - reserve_minor
    if rest == 0:
        return Payable(reserve_minor, 0, Unpaid.NOTHING_DUE)
    if rest < minimum_minor:
        return Payable(reserve_minor, 0, Unpaid.BELOW_MINIMUM)
    return Payable(reserve_minor, rest, None)


Charges = dict[int, tuple[int, int]]
"""Commission and the tax on it, by the tax's rate in basis points."""


def charge_details(charges: Charges) -> dict[str, Json]:
    """What an entry's details say of the commission that the merchant is charged with it, whoever gets that.

    Several rates of tax stand one by one in `charges`, as rate, commission, tax.
    """
    details: dict[str, Json] = {
        "commission_minor": sum(net for net, _ in charges.values()),
        "commission_tax_minor": sum(tax for _, tax in charges.values()),
    }
    if len(charges) > 1:
        return {**details, "charges": [[rate, net, tax] for rate, (net, tax) in sorted(charges.items())]}
    return {**details, "commission_tax_bps": next(iter(charges), 0)}


def charges_of(details: Mapping[str, Json], posted: tuple[int, int]) -> Charges:
    """What `charge_details` wrote; where it wrote nothing, what the entry posted to commission and the tax on it."""
    rows = details.get("charges")
    if isinstance(rows, list | tuple):
        return {
            rate: (net, tax) for rate, net, tax in (map(_int, row) for row in rows if isinstance(row, list | tuple))
        }
    if "commission_minor" in details:
        posted = _whole(details, "commission_minor"), _whole(details, "commission_tax_minor")
    return {_whole(details, "commission_tax_bps"): posted}


def summed(charges: Iterable[Charges]) -> Charges:
    """Charges added up, rate by rate, without those that come to nothing."""
    sums: Charges = {}
    for each in charges:
        for rate_bps, (net, tax) in each.items():
            held = sums.get(rate_bps, (0, 0))
            sums[rate_bps] = held[0] + net, held[1] + tax
    return {rate_bps: sums[rate_bps] for rate_bps in sorted(sums) if any(sums[rate_bps])}


def charged(claimed: Iterable[Claimable]) -> tuple[Charges, Charges]:
    """What the platform invoices for a period, and what it credits.

    Commission is invoiced when its order's money is released; what is taken back afterwards is credited.
    """
    invoiced: Charges = {}
    credited: Charges = {}
    for each in (each for each in claimed if not is_purchase(each.details)):
        posted = (0, 0) if each.kind is EntryKind.RELEASE else (each.commission_minor, each.commission_tax_minor)
        for rate_bps, (net, tax) in charges_of(each.details, posted).items():
            if net or tax:
                side = credited if net < 0 or tax < 0 else invoiced
                held = side.get(rate_bps, (0, 0))
                side[rate_bps] = held[0] + abs(net), held[1] + abs(tax)
    return invoiced, credited


def bought(claimed: Iterable[Claimable]) -> tuple[Charges, Charges]:
    """What the platform bought from the merchant in a period, and what came back, before any tax.

    Both follow from what the entries changed of the available balance, so that the two documents come to what the
    statement says of these sales.
    """
    minors = [whole(each.details, PURCHASE) for each in claimed]
    sums = sum(minor for minor in minors if minor > 0), -sum(minor for minor in minors if minor < 0)
    purchased, returned = ({0: (minor, 0)} if minor else {} for minor in sums)
    return purchased, returned


def sales_of(claimed: Iterable[Claimable]) -> int:
    """What the period's sales made available."""
    return sum(each.amount_minor for each in claimed if each.kind is EntryKind.RELEASE)


def _whole(details: Mapping[str, Json], name: str) -> int:
    return _int(details.get(name, 0))


def _int(value: Json) -> int:
    return value if isinstance(value, int) else int(str(value))
