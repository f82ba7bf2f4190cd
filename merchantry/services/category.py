"""Categories of products: one tree for the whole mall, kept by the platform."""

import re
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from merchantry.domain.act import Act
from merchantry.domain.errors import InvalidInput
from merchantry.domain.text import check_text
from merchantry.services import audit
from merchantry.tables.platform import NOBODY
from merchantry.tables.platform import category as table
from tenancy.database import PlatformSession, Session

MAX_CODE = 100
MAX_NAME = 200
_CODE = re.compile(r"[a-z0-9]+(?:[_-][a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class Category:
    """``code`` is what products, commission plans and reports say; ``parent`` the code of the one above."""

    code: str
    name: str
    parent: str | None


async def create_category(
    session: PlatformSession, code: str, name: str, act: Act, *, parent: str | None = None
) -> Category:
    """Add a category. Raises InvalidInput for a code that is malformed or taken, and for an unknown parent."""
    check_code(code)
    check_text(name, MAX_NAME, ("name",))
    if parent is not None:
        await require_category(session, parent, ("parent",))
    row = {"code": code, "name": name, "parent": parent}
    made = await session.scalar(insert(table).values(row).on_conflict_do_nothing().returning(table.c.code))
    if made is None:
        raise InvalidInput(reason=f"The category {code} exists already; choose another code.", path=("code",))
    await audit.record(session, NOBODY, act, "category.create", code, after=row)
    return Category(code, name, parent)


def check_code(code: str) -> None:
    """Raises InvalidInput where the text can't be a category's code."""
    if len(code) > MAX_CODE or not _CODE.fullmatch(code):
        raise InvalidInput(reason="A category's code has a-z and 0-9, with single _ or - between them.", path=("code",))


async def categories(session: Session) -> list[Category]:
    """All categories, by code."""
    rows = await session.execute(select(table.c.code, table.c.name, table.c.parent).order_by(table.c.code))
    return [Category(row.code, row.name, row.parent) for row in rows]


async def require_category(session: Session, code: str, path: tuple[str | int, ...]) -> None:
    """Raises InvalidInput where there is no such category."""
    check_text(code, MAX_CODE, path)
    if await session.scalar(select(table.c.code).where(table.c.code == code)) is None:
        raise InvalidInput(reason=f"There is no category {code}; choose one of the mall's categories.", path=path)
