"""Sealing contact data that earlier versions wrote in clear: some rows at a time, again until none is left."""

from datetime import datetime
from typing import Final

from sqlalchemy import Table, Update, bindparam, delete, func, insert, select, update

from merchantry.domain.act import Act
from merchantry.services import contact
from merchantry.services.vault import Owner, Vault
from merchantry.tables.contact import contact_key
from merchantry.tables.merchant import orders
from merchantry.tables.platform import checkout, checkout_quote
from tenancy.database import MerchantSession, PlatformSession

BATCH: Final = 500


async def seal_some(session: Owner, vault: Vault, act: Act) -> int:
    """Seal up to BATCH addresses: of a merchant's orders, or the platform's checkouts. Returns how many; 0 at the end.

    Rows that somebody else is changing are left for the next time. Raises VaultError.
    """
    table = orders if isinstance(session, MerchantSession) else checkout
    clear = select(table.c.id, table.c.ship_to).where(table.c.ship_to.is_not(None))
    rows = (await session.execute(clear.limit(BATCH).with_for_update(skip_locked=True))).all()
    if not rows:
        return 0
    key = await vault.current_key(session, act)
    sealed = {row.id: contact.seal_with(key, row.ship_to, table=table.name, row_id=row.id) for row in rows}
    await session.execute(insert(contact_key), [dict(each.key.row) for each in sealed.values()])
    await session.execute(
        _empty(table), [{"row_id": row_id, "sealed": each.contact} for row_id, each in sealed.items()]
    )
    return len(rows)


def _empty(table: Table) -> Update:
    return update(table).where(table.c.id == bindparam("row_id")).values(ship_to=None, contact=bindparam("sealed"))


async def in_clear(session: Owner) -> int:
    """How many addresses are still in clear."""
    table = orders if isinstance(session, MerchantSession) else checkout
    found: int = await session.scalar(select(func.count()).select_from(table).where(table.c.ship_to.is_not(None)))
    return found


async def forget_quotes(session: PlatformSession, now: datetime) -> int:
    """Delete quotes that are over and hold an address in clear. Returns how many."""
    table = checkout_quote.c
    over = delete(checkout_quote).where(table.contact.is_(None), table.expires_at < now)
    return (await session.execute(over)).rowcount
