"""Categories of products: one tree for the whole mall, kept by the platform."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from sqlalchemy import Row, ScalarSelect, Text, cast, exists, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from merchantry.domain.act import Act
from merchantry.domain.category import NAMES, Branch, Days, check_days, inherited
from merchantry.domain.errors import InvalidInput, NotFound
from merchantry.domain.text import check_text
from merchantry.domain.worded import Worded
from merchantry.languages import translation
from merchantry.languages.translation import Translation, Translations
from merchantry.services import audit
from merchantry.tables.platform import NOBODY
from merchantry.tables.platform import category as table
from tenancy.database import PlatformSession, Session

MAX_CODE = 100
MAX_NAME = 200
MAX_POSITION = 1_000_000
TRANSLATED = {"name": MAX_NAME}
"""Texts that a category has in several languages, with their greatest lengths."""
_SAYS = table.alias()
DAYS = [table.c[name] for name in NAMES]
TREE = select(table.c.code, table.c.parent, *DAYS).where(
    exists().where(or_(*(_SAYS.c[name].is_not(None) for name in NAMES)))
)
_CODE = re.compile(r"[a-z0-9]+(?:[_-][a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class Category:
    """``code`` is what products, commission plans and reports say; ``parent`` the code of the one above.

    ``own`` are the days that it sets itself, ``in_force`` those with what it inherits. ``position`` orders it among
    those with the same parent; where it is the same, the code does.
    """

    code: str
    name: str
    parent: str | None
    own: Days = field(default_factory=Days)
    in_force: Days = field(default_factory=Days)
    translations: Translations = field(default_factory=dict)
    position: int = 0

    @property
    def names(self) -> list[str]:
        """What it is called, in all its languages."""
        return [self.name, *(texts["name"] for texts in self.translations.values())]


async def create_category(
    session: PlatformSession,
    code: str,
    name: str,
    act: Act,
    *,
    parent: str | None = None,
    translations: Sequence[Translation] = (),
    position: int = 0,
) -> Category:
    """Add a category. Raises InvalidInput for a code that is malformed or taken, and for an unknown parent."""
    check_code(code)
    _check_position(position)
    check_text(name, MAX_NAME, ("name",))
    translation.check(translations, TRANSLATED)
    if parent is not None:
        await require_category(session, parent, ("parent",))
    kept = translation.merged({}, translations)
    row = {"code": code, "name": name, "parent": parent, "translations": kept, "position": position}
    made = await session.scalar(insert(table).values(row).on_conflict_do_nothing().returning(table.c.code))
    if made is None:
        raise InvalidInput(
            reason=Worded("The category {code} exists already; choose another code.", code=code), path=("code",)
        )
    await audit.record(session, NOBODY, act, "category.create", code, after=row)
    return await _of_code(session, code)


async def update_category(
    session: PlatformSession,
    code: str,
    act: Act,
    *,
    name: str | None = None,
    translations: Sequence[Translation] = (),
    position: int | None = None,
) -> Category:
    """Call it something else, in some languages or in the first one, or move it; what is not given stays.

    Raises NotFound for an unknown category, InvalidInput for texts that are none and positions out of range.
    """
    if position is not None:
        _check_position(position)
    if name is not None:
        check_text(name, MAX_NAME, ("name",))
    translation.check(translations, TRANSLATED)
    held = await session.execute(
        select(table.c.name, table.c.translations, table.c.position).where(table.c.code == code).with_for_update()
    )
    row = held.one_or_none()
    if row is None:
        raise NotFound(what="category", path=("code",))
    after = {
        "name": row.name if name is None else name,
        "translations": translation.merged(row.translations, translations),
        "position": row.position if position is None else position,
    }
    await session.execute(update(table).where(table.c.code == code).values(after))
    await audit.record(session, NOBODY, act, "category.update", code, row._asdict(), after)
    return await _of_code(session, code)


async def set_days(session: PlatformSession, code: str, days: Days, act: Act) -> Category:
    """Say how long money is held, goods can be returned and may take to be shipped, for what is placed from now on;
    None inherits.

    Raises NotFound for an unknown category, InvalidInput for days out of range.
    """
    check_days(days)
    before = await session.execute(select(*DAYS).where(table.c.code == code))
    row = before.one_or_none()
    if row is None:
        raise NotFound(what="category", path=("code",))
    after = asdict(days)
    await session.execute(update(table).where(table.c.code == code).values(after))
    await audit.record(session, NOBODY, act, "category.set_days", code, row._asdict(), after)
    return await _of_code(session, code)


def check_code(code: str) -> None:
    """Raises InvalidInput where the text can't be a category's code."""
    if len(code) > MAX_CODE or not _CODE.fullmatch(code):
        raise InvalidInput(reason="A category's code has a-z and 0-9, with single _ or - between them.", path=("code",))


def _check_position(position: int) -> None:
    if not 0 <= position <= MAX_POSITION:
        raise InvalidInput(reason=Worded("Give a position from 0 to {most}.", most=MAX_POSITION), path=("position",))


async def categories(session: Session) -> list[Category]:
    """All categories, by position and code."""
    rows = (await session.execute(select(table).order_by(table.c.position, table.c.code))).all()
    branches = [_branch(row) for row in rows]
    in_force = inherited(branches)
    return [
        Category(row.code, row.name, row.parent, branch.own, in_force[row.code], row.translations, row.position)
        for row, branch in zip(rows, branches, strict=True)
    ]


def days_as_text() -> ScalarSelect[Any]:
    """What is in force in each category, inside a statement about something else; :func:`parsed_days` reads it. Nothing
    where no category says anything."""
    tree = TREE.subquery()
    return select(cast(func.jsonb_agg(func.jsonb_build_array(*tree.c)), Text)).scalar_subquery()


@lru_cache(maxsize=16)
def parsed_days(text: str | None) -> Mapping[str, Days]:
    """What :func:`days_as_text` gave."""
    rows = json.loads(text or "[]")
    return MappingProxyType(inherited([Branch(code, parent, Days(*own)) for code, parent, *own in rows]))


async def _of_code(session: PlatformSession, code: str) -> Category:
    return next(each for each in await categories(session) if each.code == code)


def _branch(row: Row[Any]) -> Branch:
    return Branch(row.code, row.parent, Days(row.hold_days, row.return_days, row.ship_days))


async def require_category(session: Session, code: str, path: tuple[str | int, ...]) -> None:
    """Raises InvalidInput where there is no such category."""
    check_text(code, MAX_CODE, path)
    if await session.scalar(select(table.c.code).where(table.c.code == code)) is None:
        raise InvalidInput(
            reason=Worded("There is no category {code}; choose one of the mall's categories.", code=code), path=path
        )
