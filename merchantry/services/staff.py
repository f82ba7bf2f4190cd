"""Who has which rights: members of a merchant's staff and of the platform's."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Table, and_, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError

from merchantry.domain.act import Act
from merchantry.domain.errors import InvalidInput, NotFound
from merchantry.domain.permission import MerchantRole, PlatformRole
from merchantry.services import audit
from merchantry.tables.platform import NOBODY
from tenancy.database import PlatformSession, sqlstate
from tenancy.directory import announce
from tenancy.tables import account, membership, merchant, platform_role

FOREIGN_KEY_VIOLATION = "23503"


@dataclass(frozen=True, slots=True)
class Member:
    """A role that an account holds at a merchant."""

    account_id: UUID
    email: str | None
    role: MerchantRole
    since: datetime


async def grant_role(
    session: PlatformSession, account_id: UUID, merchant_id: UUID, role: MerchantRole, act: Act
) -> None:
    """Give an account a role at a merchant; nothing happens where it has it. Raises NotFound for either."""
    await _grant(session, membership, {"merchant_id": merchant_id, "account_id": account_id, "role": role}, act)


async def revoke_role(
    session: PlatformSession, account_id: UUID, merchant_id: UUID, role: MerchantRole, act: Act
) -> None:
    """Take a role away again. Raises NotFound where the account doesn't have it, InvalidInput for the last owner."""
    if role is MerchantRole.OWNER:
        await session.execute(select(merchant.c.id).where(merchant.c.id == merchant_id).with_for_update())
        owners = {each.account_id for each in await staff(session, merchant_id) if each.role is MerchantRole.OWNER}
        if owners == {account_id}:
            raise InvalidInput(reason="A merchant keeps one owner; make somebody else owner first.", path=("input",))
    await _revoke(session, membership, {"merchant_id": merchant_id, "account_id": account_id, "role": role}, act)


async def grant_platform_role(session: PlatformSession, account_id: UUID, role: PlatformRole, act: Act) -> None:
    """Give an account a role on the platform; nothing happens where it has it. Raises NotFound."""
    await _grant(session, platform_role, {"account_id": account_id, "role": role}, act)


async def revoke_platform_role(session: PlatformSession, account_id: UUID, role: PlatformRole, act: Act) -> None:
    """Take a role on the platform away. Raises NotFound where the account doesn't have it."""
    await _revoke(session, platform_role, {"account_id": account_id, "role": role}, act)


MAX_STAFF = 500


async def staff(session: PlatformSession, merchant_id: UUID) -> list[Member]:
    """Everybody with a role at the merchant, the longest there first, MAX_STAFF roles at most."""
    rows = await session.execute(
        select(membership.c.account_id, account.c.email, membership.c.role, membership.c.created_at)
        .join(account, account.c.id == membership.c.account_id)
        .where(membership.c.merchant_id == merchant_id)
        .order_by(membership.c.created_at, membership.c.account_id, membership.c.role)
        .limit(MAX_STAFF)
    )
    return [Member(row.account_id, row.email, MerchantRole(row.role), row.created_at) for row in rows]


async def emails(session: PlatformSession, account_ids: Collection[UUID]) -> dict[UUID, str | None]:
    """How people are known, by their accounts; accounts that don't exist are left out."""
    rows = await session.execute(
        select(account.c.id, account.c.email).where(account.c.id == func.any(list(account_ids)))
    )
    return {row.id: row.email for row in rows}


async def _grant(session: PlatformSession, table: Table, key: Mapping[str, Any], act: Act) -> None:
    row = insert(table).values(**key, created_at=act.at).on_conflict_do_nothing().returning(table.c.role)
    try:
        async with session.savepoint():
            granted = (await session.execute(row)).first()
    except DBAPIError as error:
        if sqlstate(error) == FOREIGN_KEY_VIOLATION:
            raise NotFound(what="account or merchant", path=("account_id",)) from error
        raise
    if granted:
        await _record(session, key, act, "grant", after={"role": key["role"]})


async def _revoke(session: PlatformSession, table: Table, key: Mapping[str, Any], act: Act) -> None:
    statement = delete(table).where(and_(*(table.c[name] == value for name, value in key.items())))
    if not (await session.execute(statement)).rowcount:
        raise NotFound(what="role of this account", path=("role",))
    await _record(session, key, act, "revoke", before={"role": key["role"]})


async def _record(session: PlatformSession, key: Mapping[str, Any], act: Act, verb: str, **change: Any) -> None:
    merchant_id = key.get("merchant_id", NOBODY)
    await audit.record(session, merchant_id, act, f"role.{verb}", str(key["account_id"]), **change)
    await announce(session, key["account_id"])
