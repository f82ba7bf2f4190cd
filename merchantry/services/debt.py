"""What merchants owe: balances that were closed below zero, how old they are, and writing them off by two people."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select

from merchantry.domain import entries
from merchantry.domain.act import Act
from merchantry.domain.case import CaseKind, CaseStatus, Decision
from merchantry.domain.errors import InvalidInput
from merchantry.domain.ledger import Account, EntryKind
from merchantry.services import case, ledger
from merchantry.services.case import Case, Fact, NewCase
from merchantry.tables.merchant import balance, counter
from merchantry.tables.merchant_settlement import statement
from tenancy.across import Across, read_across
from tenancy.database import Database, MerchantSession, Transaction
from tenancy.tables import merchant

ACTOR = "system:debts"


@dataclass(frozen=True, slots=True)
class Debt:
    """What a merchant's last statement left owing, in minor units above zero, and since which statement's end."""

    merchant_id: UUID
    slug: str
    currency: str
    amount_minor: int
    since: datetime


_good = (
    select(statement.c.currency, func.max(statement.c.ends_at).filter(statement.c.closing_minor >= 0).label("good_at"))
    .group_by(statement.c.currency)
    .subquery()
)
_owing = (
    select(
        statement.c.currency,
        func.max(statement.c.ends_at).label("ends_at"),
        func.min(statement.c.ends_at).label("since"),
    )
    .join(_good, _good.c.currency == statement.c.currency)
    .where(_good.c.good_at.is_(None) | (statement.c.ends_at > _good.c.good_at))
    .group_by(statement.c.currency)
    .subquery()
)
OWING = Across(
    select(statement.c.currency, (-statement.c.closing_minor).label("amount_minor"), _owing.c.since).join(
        _owing, (_owing.c.currency == statement.c.currency) & (_owing.c.ends_at == statement.c.ends_at)
    ),
    with_merchant=True,
)
"""The last statement of each currency whose balance has been below zero since some statement."""


async def debts(database: Database) -> list[Debt]:
    """All debts, the oldest first: what a statement has closed below zero and no later one has made good."""
    async with database.read(ACTOR) as tx, tx.as_platform() as session:
        rows = await session.execute(select(merchant.c.id, merchant.c.slug).order_by(merchant.c.id))
        slugs = {row.id: row.slug for row in rows}
    merged = await read_across(database, OWING, list(slugs))
    found = [
        Debt(row["merchant_id"], slugs[row["merchant_id"]], row["currency"], row["amount_minor"], row["since"])
        for row in merged.rows
    ]
    return sorted(found, key=lambda debt: (debt.since, debt.slug, debt.currency))


async def propose_write_off(tx: Transaction, merchant_id: UUID, currency: str, reason: str, act: Act) -> UUID:
    """Ask two people to write off what a merchant owes now. Returns the case's id; a second proposal joins the first.

    Raises InvalidInput where the available balance is not below zero.
    """
    async with tx.as_merchant(merchant_id) as session:
        owed_minor = -await _available(session, currency)
    if owed_minor <= 0:
        raise InvalidInput(reason="The available balance is not below zero, so nothing is owed.", path=("currency",))
    new = NewCase(
        kind=CaseKind.WRITE_OFF,
        merchant_id=merchant_id,
        subject_kind="Debt",
        subject_id=currency,
        title=f"Write off what the merchant owes in {currency}.",
        evidence=[Fact("reason", reason)],
        currency=currency,
        amount_minor=owed_minor,
    )
    async with tx.as_platform() as platform:
        return await case.open_case(platform, new, act)


async def write_off_decided(tx: Transaction, found: Case, decision: Decision, act: Act) -> None:
    """Two people agreed: the debt is the platform's expense, up to what was agreed on and is still owed."""
    if decision.status is not CaseStatus.APPROVED or found.currency is None:
        return
    async with tx.as_merchant(found.merchant_id) as session:
        await session.execute(select(counter.c.value).where(counter.c.name == "entry").with_for_update())
        owed_minor = min(-await _available(session, found.currency), found.amount_minor or 0)
        if owed_minor <= 0:
            raise InvalidInput(reason="Nothing is owed any more; withdraw the case.")
        entry = entries.move(
            EntryKind.WRITE_OFF, owed_minor, found.currency, occurred_at=act.at, details={"case": str(found.id)}
        )
        await ledger.book(session, entry, act, entries.platform_side(entry, earned=True))


async def _available(session: MerchantSession, currency: str) -> int:
    amount: int | None = await session.scalar(
        select(balance.c.amount_minor).where(
            balance.c.account == Account.MERCHANT_AVAILABLE, balance.c.currency == currency
        )
    )
    return amount or 0
