"""Where a merchant is paid: the account that a payout is planned for."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from merchantry.tables.merchant_settlement import payee_account
from tenancy.database import MerchantSession


async def usable_account(session: MerchantSession, currency: str, at: datetime) -> tuple[UUID, str] | None:
    """The id and kind of the account that money in a currency can be paid to at a moment; None where there is none.

    A new account is used once its cooling off is over and it has been verified.
    """
    table = payee_account.c
    statement = select(table.id, table.kind).where(
        table.currency == currency, table.status == "verified", table.usable_from <= at
    )
    row = (await session.execute(statement)).one_or_none()
    return (row.id, row.kind) if row else None
