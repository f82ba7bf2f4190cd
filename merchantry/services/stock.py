"""Stock of many variants at once: a handful of statements, whatever the number of rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, Integer, Row, Text, Uuid, bindparam, func, or_, select, update

from merchantry.domain.act import Act
from merchantry.domain.errors import InvalidInput, MarketError, NotFound
from merchantry.domain.event import EventKind
from merchantry.domain.stock import Stock, StockMode
from merchantry.domain.worded import Worded
from merchantry.services import audit, bulk, listing_stock, outbox
from merchantry.services.bulk import Refused
from merchantry.services.variant import told_of
from merchantry.tables.merchant import variant
from tenancy.database import MerchantSession

MAX_ROWS: Final = 5_000
EVENT: Final = "stock.set_many"

_NAMED = select(
    variant.c.id, variant.c.sku, variant.c.product_id, variant.c.external_ref, variant.c.on_hand, variant.c.reserved
).where(
    or_(
        variant.c.id == func.any(bindparam("ids", type_=ARRAY(Uuid))),
        variant.c.sku == func.any(bindparam("skus", type_=ARRAY(Text))),
        variant.c.external_ref == func.any(bindparam("refs", type_=ARRAY(Text))),
    )
)
_GIVEN = (
    func.unnest(bindparam("ids", type_=ARRAY(Uuid)), bindparam("on_hands", type_=ARRAY(Integer)))
    .table_valued("id", "on_hand")
    .render_derived("given")
)
_SET = update(variant).where(variant.c.id == _GIVEN.c.id).values(on_hand=_GIVEN.c.on_hand)


@dataclass(frozen=True, slots=True)
class StockRow:
    """A quantity of the variant that has this id, or this SKU, or this external reference: one of the three."""

    quantity: int
    mode: StockMode = StockMode.SET
    variant_id: UUID | None = None
    sku: str | None = None
    external_ref: str | None = None

    @property
    def names(self) -> tuple[object, ...]:
        """How the row names its variant: id, SKU, reference."""
        return self.variant_id, self.sku, self.external_ref


@dataclass(frozen=True, slots=True)
class Counted:
    """What a row came to."""

    sku: str
    stock: Stock


Outcome = Counted | Refused


async def set_many(session: MerchantSession, rows: Sequence[StockRow], batch_id: UUID, act: Act) -> list[Outcome]:
    """Set or adjust stocks, row after row; a row that is refused changes nothing and hinders no other.

    The variants are locked in the order of their ids, as a checkout locks them. Raises InvalidInput for too many rows.
    """
    if not 1 <= len(rows) <= MAX_ROWS:
        raise InvalidInput(reason=Worded("Give 1 to {most} rows.", most=MAX_ROWS), path=("rows",))
    known = await _named(session, rows, locked=True)
    held = {row.id: Stock(row.id, row.on_hand, row.reserved) for row in known.values()}
    before = dict(held)
    outcomes = [_applied(row, known, held) for row in rows]
    changed = [stock for stock in held.values() if stock != before[stock.variant_id]]
    if changed:
        given = {"ids": [each.variant_id for each in changed], "on_hands": [each.on_hand for each in changed]}
        await session.execute(_SET, given)
        await listing_stock.moved(
            session, [(each.variant_id, each.on_hand - before[each.variant_id].on_hand) for each in changed]
        )
        await _audited(session, before, changed, batch_id, act)
        products = {row.id: row.product_id for row in known.values()}
        facts = [told_of(each.variant_id, products[each.variant_id], each.on_hand) for each in changed]
        await outbox.publish_many(session, EventKind.STOCK_ADJUSTED, facts, act)
    refused = {at: each for at, each in enumerate(outcomes) if isinstance(each, Refused)}
    await bulk.record(session, act, EVENT, batch_id, rows=len(rows), refused=refused)
    return outcomes


async def set_before(session: MerchantSession, rows: Sequence[StockRow], batch_id: UUID) -> list[Outcome]:
    """What the same rows came to when they were sent first, with the stock that is there now."""
    refused, _ = await bulk.recorded(session, EVENT, batch_id)
    known = await _named(session, rows, locked=False)
    now = {row.id: Stock(row.id, row.on_hand, row.reserved) for row in known.values()}
    return [
        refused[at] if at in refused else _applied(replace(row, quantity=0, mode=StockMode.ADJUST), known, now)
        for at, row in enumerate(rows)
    ]


async def _named(session: MerchantSession, rows: Sequence[StockRow], *, locked: bool) -> dict[object, Row[Any]]:
    """The variants that rows name, by id, SKU and reference; each kind of name is a key of its own."""
    given = {
        "ids": [row.variant_id for row in rows if row.variant_id is not None],
        "skus": [row.sku for row in rows if row.sku is not None],
        "refs": [row.external_ref for row in rows if row.external_ref is not None],
    }
    statement = _NAMED.order_by(variant.c.id).with_for_update() if locked else _NAMED
    known: dict[object, Row[Any]] = {}
    for row in await session.execute(statement, given):
        known |= {("id", row.id): row, ("sku", row.sku): row, ("ref", row.external_ref): row}
    return known


def _applied(row: StockRow, known: Mapping[object, Row[Any]], held: dict[UUID, Stock]) -> Outcome:
    try:
        given = [(kind, name) for kind, name in zip(("id", "sku", "ref"), row.names, strict=True) if name is not None]
        if len(given) != 1:
            raise InvalidInput(reason="Name the variant by its id, its SKU or its external reference: by one of them.")
        found = known.get(given[0])
        if found is None:
            raise NotFound(what="variant", path=({"id": "variantId", "sku": "sku", "ref": "externalRef"}[given[0][0]],))
        held[found.id] = held[found.id].after(row.mode, row.quantity)
        return Counted(found.sku, held[found.id])
    except MarketError as error:
        return Refused.of(error)


async def _audited(
    session: MerchantSession, before: Mapping[UUID, Stock], changed: Sequence[Stock], batch_id: UUID, act: Act
) -> None:
    events = [
        audit.event(
            session,
            session.merchant_id,
            act,
            "stock.set",
            str(each.variant_id),
            {"on_hand": before[each.variant_id].on_hand},
            {"on_hand": each.on_hand, "batch": str(batch_id)},
        )
        for each in changed
    ]
    await audit.record_many(session, events)
