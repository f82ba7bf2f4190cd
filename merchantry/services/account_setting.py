"""What people have chosen for themselves."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from merchantry.languages.language import Language
from merchantry.tables.account import account_setting
from tenancy.database import PlatformSession

_NEW = insert(account_setting)
SET = _NEW.on_conflict_do_update(index_elements=["account_id"], set_={"language": _NEW.excluded.language})


async def set_language(session: PlatformSession, account_id: UUID, language: Language | None) -> None:
    """What the account reads from now on; None: whatever its browser asks for."""
    await session.execute(SET, {"account_id": account_id, "language": language and language.value})


async def languages(session: PlatformSession, account_ids: Collection[UUID]) -> dict[UUID, Language]:
    """What accounts have chosen to read; those that have not are left out."""
    table = account_setting.c
    chosen = select(table.account_id, table.language).where(table.account_id == func.any(list(account_ids)))
    rows = await session.execute(chosen.where(table.language.in_(list(Language))))
    return {row.account_id: Language(row.language) for row in rows}
