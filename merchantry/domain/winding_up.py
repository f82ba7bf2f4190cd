"""Winding a merchant up: what stands in the way of its last settlement, and then of its end. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from merchantry.domain.ledger import Account

RETURN_WINDOW: Final = timedelta(days=14)
"""How long after its last sale or delivery a merchant must be there for returns."""

CHARGEBACK_WINDOW: Final = timedelta(days=120)
"""How long after a payment its buyer's bank may take it back, as card schemes have it."""

RETENTION: Final = timedelta(days=3_653)
"""Ten years: how long the books of a closed merchant are kept and can be read by its staff."""

SET_ASIDE: Final = (Account.MERCHANT_RESERVED, Account.MERCHANT_HELD)


class Obstacle(StrEnum):
    """What stands in the way of a merchant's end."""

    OPEN_ORDER = "open_order"
    HOLD = "hold"
    OPEN_REFUND = "open_refund"
    OPEN_RETURN = "open_return"
    OPEN_CHARGEBACK = "open_chargeback"
    OPEN_CASE = "open_case"
    OPEN_PAYOUT = "open_payout"
    MONEY_SET_ASIDE = "money_set_aside"
    RETURN_WINDOW = "return_window"
    CHARGEBACK_WINDOW = "chargeback_window"
    NOT_PAID_OUT = "not_paid_out"
    DEBT = "debt"
    UNDECIDED_STATEMENT = "undecided_statement"
    WORK_TO_DO = "work_to_do"


COUNTED: Final = (
    Obstacle.OPEN_ORDER,
    Obstacle.HOLD,
    Obstacle.OPEN_REFUND,
    Obstacle.OPEN_RETURN,
    Obstacle.OPEN_CHARGEBACK,
    Obstacle.OPEN_CASE,
    Obstacle.OPEN_PAYOUT,
)
"""Obstacles to the last settlement that are counted; the others follow from days and balances."""


@dataclass(frozen=True, slots=True)
class Blocker:
    """One obstacle: how many there are of it, when it ends by itself, or how much money it is, in minor units."""

    obstacle: Obstacle
    count: int = 1
    until: datetime | None = None
    currency: str | None = None
    amount_minor: int | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """How a merchant stands. `last_sale_at` is the last sale or delivery, `last_charge_at` the last payment that a bank
    can take back; `balances` are by account and currency, without zeros."""

    counts: Mapping[Obstacle, int]
    last_sale_at: datetime | None
    last_charge_at: datetime | None
    undecided_statements: int
    statements_accepted_by: datetime | None
    jobs: int
    balances: Mapping[tuple[str, str], int] = field(default_factory=dict)

    def of(self, *accounts: Account) -> Iterator[tuple[str, int]]:
        """What stands on these accounts, by currency."""
        for (account, currency), amount_minor in sorted(self.balances.items()):
            if account in accounts:
                yield currency, amount_minor


def before_the_last_settlement(standing: Standing, at: datetime) -> tuple[Blocker, ...]:
    """What must end before the merchant's last period can."""
    found = [Blocker(each, standing.counts[each]) for each in COUNTED if standing.counts.get(each)]
    found += [Blocker(Obstacle.MONEY_SET_ASIDE, 1, None, *money) for money in standing.of(*SET_ASIDE)]
    windows = (
        (Obstacle.RETURN_WINDOW, standing.last_sale_at, RETURN_WINDOW),
        (Obstacle.CHARGEBACK_WINDOW, standing.last_charge_at, CHARGEBACK_WINDOW),
    )
    for obstacle, since, length in windows:
        if since is not None and since + length > at:
            found.append(Blocker(obstacle, until=since + length))
    return tuple(found)


def before_the_end(standing: Standing, *, keep_debt: bool) -> tuple[Blocker, ...]:
    """What must end, once the last period has, before the books can be closed for good.

    With `keep_debt` what the merchant owes stays a receivable of the platform.
    """
    found = []
    for currency, amount_minor in standing.of(Account.MERCHANT_AVAILABLE):
        if amount_minor > 0:
            found.append(Blocker(Obstacle.NOT_PAID_OUT, 1, None, currency, amount_minor))
        elif not keep_debt:
            found.append(Blocker(Obstacle.DEBT, 1, None, currency, -amount_minor))
    if standing.undecided_statements:
        until = standing.statements_accepted_by
        found.append(Blocker(Obstacle.UNDECIDED_STATEMENT, standing.undecided_statements, until))
    if not found and standing.jobs:
        found.append(Blocker(Obstacle.WORK_TO_DO, standing.jobs))
    return tuple(found)
