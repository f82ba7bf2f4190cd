"""Rates of sales tax: written once, never changed; a later one takes over from its day on."""

import json
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import Row, ScalarSelect, Text, bindparam, cast, func, or_, select, tuple_
from sqlalchemy.dialects.postgresql import distinct_on, insert

from merchantry.domain.act import Act
from merchantry.domain.errors import InvalidInput
from merchantry.domain.tax import Remitter
from merchantry.domain.tax_rate import TaxRate, check_rate
from merchantry.services import audit
from merchantry.services.category import require_category
from merchantry.tables.platform import NOBODY
from merchantry.tables.price_terms import tax_rate
from tenancy.database import PlatformSession

COLUMNS = [tax_rate.c[name] for name in TaxRate.__slots__]
IN_FORCE = (
    select(*COLUMNS)
    .ext(distinct_on(tax_rate.c.region, tax_rate.c.category))
    .where(
        tax_rate.c.country == bindparam("country"),
        or_(tax_rate.c.region == "", tax_rate.c.region == bindparam("region")),
        tax_rate.c.effective_from <= bindparam("at"),
    )
    .order_by(tax_rate.c.region, tax_rate.c.category, tax_rate.c.effective_from.desc())
)


def in_force_as_text() -> ScalarSelect[Any]:
    """Every rate that can apply to goods which go to a country and region at a moment, inside a statement that has
    these parameters; :func:`parsed` reads it."""
    rates = IN_FORCE.subquery()
    return select(cast(func.jsonb_agg(func.jsonb_build_array(*rates.c)), Text)).scalar_subquery()


@lru_cache(maxsize=256)
def parsed(text: str | None) -> tuple[TaxRate, ...]:
    """What :func:`in_force_as_text` gave."""
    return tuple(_from_document(dict(zip(TaxRate.__slots__, each, strict=True))) for each in json.loads(text or "[]"))


def _from_document(fields: dict[str, Any]) -> TaxRate:
    begins = datetime.fromisoformat(fields["effective_from"])
    given = {"id": UUID(fields["id"]), "remitted_by": Remitter(fields["remitted_by"]), "effective_from": begins}
    return TaxRate(**{**fields, **given})


async def set_rate(session: PlatformSession, rate: TaxRate, act: Act) -> TaxRate:
    """Put a rate into force from its moment on.

    Raises InvalidInput for a moment that has passed or at which a rate of the same country, region and category begins
    already, for an unknown category, and for whatever is malformed.
    """
    check_rate(rate, act.at)
    if rate.category:
        await require_category(session, rate.category, ("category",))
    row = {name: getattr(rate, name) for name in TaxRate.__slots__} | {"created_by": act.actor}
    made = await session.scalar(insert(tax_rate).values(row).on_conflict_do_nothing().returning(tax_rate.c.id))
    if made is None:
        reason = "A rate for the same place and category begins at this moment already; give a later one."
        raise InvalidInput(reason=reason, path=("effective_from",))
    after = {name: row[name] for name in row if name not in ("id", "effective_from", "created_by")}
    after["effective_from"] = rate.effective_from.isoformat()
    await audit.record(session, NOBODY, act, "tax_rate.set", str(rate.id), None, after)
    return rate


async def page(
    session: PlatformSession, *, limit: int, after: tuple[str, str, str, datetime] | None
) -> Sequence[TaxRate]:
    """All rates that there ever were, by country, region, category and moment."""
    order = (tax_rate.c.country, tax_rate.c.region, tax_rate.c.category, tax_rate.c.effective_from)
    statement = select(*COLUMNS).order_by(*order).limit(limit)
    if after is not None:
        statement = statement.where(tuple_(*order) > tuple_(*after))
    return [_rate(row) for row in await session.execute(statement)]


async def by_id(session: PlatformSession, rate_id: UUID) -> TaxRate:
    """The rate of this id, which is known to exist."""
    return _rate((await session.execute(select(*COLUMNS).where(tax_rate.c.id == rate_id))).one())


def _rate(row: Row[Any]) -> TaxRate:
    fields = row._asdict()
    return TaxRate(**{**fields, "remitted_by": Remitter(fields["remitted_by"])})
