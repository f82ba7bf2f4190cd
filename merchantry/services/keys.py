"""The keys that the database holds: counted, wrapped anew by another master key, replaced by new data keys."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import bindparam, func, select, update

from merchantry.domain.act import Act
from merchantry.services import audit, webhook
from merchantry.services.contact import KEY as CONTACT_KEY
from merchantry.services.payee import SEALED
from merchantry.services.vault import Owner, Vault, owner_of, wrapped_from
from merchantry.tables.contact import contact_key
from merchantry.tables.merchant_settlement import payee_account
from merchantry.tables.payout import merchant_key
from merchantry.tables.platform import NOBODY
from merchantry.tables.webhook import webhook_secret
from merchantry.vault.keys import DataKey, MasterKeys, WrappedKey, rewrap
from merchantry.vault.seal import key_version, reseal
from tenancy.database import MerchantSession, PlatformSession
from tenancy.tables import merchant

BATCH: Final = 200

REWRAP = (
    update(merchant_key)
    .where(
        merchant_key.c.merchant_id == bindparam("of_merchant"),
        merchant_key.c.version == bindparam("of_version"),
    )
    .values(master_id=bindparam("by"), wrapped=bindparam("sealed"))
)
RESEAL_CONTACT = (
    update(contact_key)
    .where(contact_key.c.merchant_id == bindparam("owner"), contact_key.c.subject_id == bindparam("subject"))
    .values(sealed=bindparam("anew"))
)
RESEAL_WEBHOOK = (
    update(webhook_secret).where(webhook_secret.c.id == bindparam("secret")).values(sealed=bindparam("anew"))
)
RESEAL = update(payee_account).where(payee_account.c.id == bindparam("account")).values(sealed=bindparam("anew"))


async def wrapped_by(session: PlatformSession) -> Mapping[str, int]:
    """How many data keys each master key wraps, by its id."""
    table = merchant_key.c
    rows = await session.execute(select(table.master_id, func.count().label("wrapped")).group_by(table.master_id))
    return {row.master_id: row.wrapped for row in rows}


async def merchants_with_keys(session: PlatformSession) -> list[UUID]:
    """Every merchant that something was sealed for and whose books can be written; the others' stays as it is."""
    table = merchant_key.c
    of_merchant = select(table.merchant_id).distinct().join(merchant, merchant.c.id == table.merchant_id)
    rows = await session.execute(
        of_merchant.where(merchant.c.status.not_in(("closed", "restoring", "quarantined"))).order_by(table.merchant_id)
    )
    return list(rows.scalars())


async def rewrap_some(session: PlatformSession, ring: MasterKeys, act: Act) -> int:
    """Wrap up to BATCH data keys by the current master key that another one wraps. Returns how many; 0 at the end.

    Nothing sealed changes. Raises VaultError where the ring lacks a master key.
    """
    table = merchant_key.c
    others = (
        select(merchant_key)
        .where(table.master_id != ring.current_id)
        .order_by(table.merchant_id, table.version)
        .limit(BATCH)
        .with_for_update()
    )
    found = [wrapped_from(row) for row in await session.execute(others)]
    if not found:
        return 0
    await session.execute(REWRAP, [_parameters(each) for each in rewrap(found, ring)])
    after = {"master_key": ring.current_id, "data_keys": len(found)}
    await audit.record(session, NOBODY, act, "data_key.rewrap", ring.current_id, None, after)
    return len(found)


def _parameters(key: WrappedKey) -> dict[str, object]:
    return {"of_merchant": key.merchant_id, "of_version": key.version, "by": key.master_id, "sealed": key.sealed}


async def renew(session: Owner, vault: Vault, made_before: datetime, act: Act) -> DataKey | None:
    """The newest data key of a merchant or the platform, made anew where it was made before a moment.

    None where it has none. Raises VaultError.
    """
    newest = await vault.newest_key(session)
    if newest is not None and await _made_at(session, newest.version) < made_before:
        newest = await vault.make_key(session, newest.version + 1, act.booked_at)
        after = {"version": newest.version}
        await audit.record(session, owner_of(session), act, "data_key.make", str(newest.version), None, after)
    return newest


async def re_encrypt(session: MerchantSession, vault: Vault, made_before: datetime, act: Act) -> int:
    """Seal the merchant's accounts with its newest data key, made anew where it was made before a moment.

    Returns how many accounts were sealed anew: none where that was done since then. Raises VaultError.
    """
    newest = await renew(session, vault, made_before, act)
    if newest is None:
        return 0
    rows = await session.execute(select(payee_account.c.id, payee_account.c.sealed).with_for_update())
    anew = []
    for row in rows:
        sealed = bytes(row.sealed)
        if key_version(sealed) != newest.version:
            old = await vault.key(session, key_version(sealed))
            anew.append({"account": row.id, "anew": reseal(old, newest, sealed, row_id=row.id, **SEALED)})
    if anew:
        await session.execute(RESEAL, anew)
    return len(anew)


async def re_encrypt_webhooks(session: Owner, vault: Vault) -> None:
    """Seal the secrets of an owner's webhook endpoints, which are few, with its newest data key. Raises VaultError."""
    newest, table = await vault.newest_key(session), webhook_secret.c
    mine = select(table.id, table.sealed).where(table.merchant_id == owner_of(session)).with_for_update()
    anew = []
    for row in await session.execute(mine):
        sealed = bytes(row.sealed)
        if newest is not None and key_version(sealed) != newest.version:
            old = await vault.key(session, key_version(sealed))
            anew.append({"secret": row.id, "anew": reseal(old, newest, sealed, row_id=row.id, **webhook.SEALED)})
    if anew:
        await session.execute(RESEAL_WEBHOOK, anew)


async def re_encrypt_contacts(session: Owner, vault: Vault, after: UUID) -> UUID | None:
    """Seal the keys of up to BATCH contacts, from the id ``after`` on, with the newest data key of whose they are.

    Returns the last id that was looked at, None at the end. Raises VaultError.
    """
    newest, table = await vault.newest_key(session), contact_key.c
    mine = select(table.subject_id, table.sealed).where(
        table.merchant_id == owner_of(session), table.subject_id > after
    )
    rows = (await session.execute(mine.order_by(table.subject_id).limit(BATCH).with_for_update())).all()
    if newest is None or not rows:
        return None
    anew = []
    for row in rows:
        sealed = bytes(row.sealed)
        if key_version(sealed) != newest.version:
            old = await vault.key(session, key_version(sealed))
            anew.append(
                {
                    "owner": owner_of(session),
                    "subject": row.subject_id,
                    "anew": reseal(old, newest, sealed, row_id=row.subject_id, **CONTACT_KEY),
                }
            )
    if anew:
        await session.execute(RESEAL_CONTACT, anew)
    last: UUID = rows[-1].subject_id
    return last


async def _made_at(session: Owner, version: int) -> datetime:
    table = merchant_key.c
    statement = select(table.created_at).where(table.merchant_id == owner_of(session), table.version == version)
    made_at: datetime = await session.scalar(statement)
    return made_at
