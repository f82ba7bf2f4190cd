"""Orders as they are shown: to their merchant from its own schema, to their buyer across the merchants' schemas."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

import orjson
from sqlalchemy import Select, func, select, tuple_

from merchantry.domain.act import Act
from merchantry.domain.order import OrderStatus
from merchantry.services import chargeback, contact, order_head, return_request
from merchantry.services.buyer_index import IndexedOrder
from merchantry.services.chargeback_entries import Chargeback
from merchantry.services.order import Order
from merchantry.services.order_head import Head, Wanted
from merchantry.services.order_view import OrderEvent, OrderView, Parts, Refund, Relation, WrittenPage
from merchantry.services.return_request import Return
from merchantry.services.written import Object
from merchantry.tables.merchant import refund
from tenancy.across import read_few_across
from tenancy.database import Database, MerchantSession

B = TypeVar("B", Return, Chargeback)


async def page(session: MerchantSession, wanted: Wanted, parts: Parts) -> list[OrderView]:
    """The merchant's orders, newest first."""
    return await _views(session, parts.head.page(wanted.filter), parts, wanted.parameters)


async def written_page(
    session: MerchantSession, wanted: Wanted, written: Object, *, with_contacts: bool
) -> WrittenPage:
    """The same as JSON texts, each such an object, of all but the last of so many. Unless they come ``with_contacts``,
    which are to be opened, the transaction ends with them.
    """
    statement = order_head.written(frozenset(), written).page_in_one(wanted.filter, with_contacts=with_contacts)
    read = session.execute if with_contacts else session.finish
    row = (await read(statement, {**wanted.parameters, "merchant_key": session.merchant_id})).one()
    if not row.found:
        return WrittenPage("", 0, None)
    stored = map(_stored, row.ids, row.in_clear, row.sealed, row.keys) if with_contacts else ()
    ends = (row.first_at.astimezone(UTC), row.first_id), (row.last_at.astimezone(UTC), row.last_id)
    return WrittenPage(row.text, row.found, ends, [*stored])


def _stored(order_id: UUID, ship_to: str | None, sealed: bytes | None, key: bytes | None) -> contact.Stored:
    return contact.Stored(order_id, orjson.loads(ship_to) if ship_to else None, sealed, key)


async def refunds_page(session: MerchantSession, *, limit: int, after: tuple[datetime, UUID] | None) -> list[Refund]:
    """The merchant's refunds, newest first."""
    table = refund.c
    statement = select(*(table[name] for name in Refund.__slots__)).limit(limit)
    statement = statement.order_by(table.occurred_at.desc(), table.id.desc())
    if after is not None:
        statement = statement.where(tuple_(table.occurred_at, table.id) < tuple_(*after))
    return [Refund(**row._asdict()) for row in await session.execute(statement)]


async def refund_of_id(session: MerchantSession, refund_id: UUID) -> Refund | None:
    """The merchant's refund of this id."""
    table = refund.c
    row = (
        await session.execute(select(*(table[name] for name in Refund.__slots__)).where(table.id == refund_id))
    ).one_or_none()
    return Refund(**row._asdict()) if row else None


async def by_number(session: MerchantSession, number: str, parts: Parts) -> OrderView | None:
    """The merchant's order of this number."""
    found = await _views(session, parts.head.by_number, parts, {"number": number})
    return found[0] if found else None


async def by_id(session: MerchantSession, order_id: UUID, parts: Parts) -> OrderView | None:
    """The merchant's order of this id."""
    found = await _views(session, parts.head.by_id, parts, {"id": order_id})
    return found[0] if found else None


async def by_ids(session: MerchantSession, order_ids: Collection[UUID], parts: Parts) -> list[OrderView]:
    """Those of the merchant's orders that have one of these ids."""
    if not order_ids:
        return []
    return await _views(session, parts.head.by_ids, parts, {"order_ids": list(order_ids)})


async def refunds_of_ids(session: MerchantSession, refund_ids: Collection[UUID]) -> list[Refund]:
    """Those of the merchant's refunds that have one of these ids."""
    if not refund_ids:
        return []
    table = refund.c
    statement = select(*(table[name] for name in Refund.__slots__)).where(table.id == func.any(list(refund_ids)))
    return [Refund(**row._asdict()) for row in await session.execute(statement)]


async def _views(
    session: MerchantSession, statement: Select[Any], parts: Parts, parameters: Mapping[str, Any]
) -> list[OrderView]:
    head = parts.head
    if parts.written:
        parameters = {**parameters, "merchant_key": session.merchant_id}
    read = session.finish if parts.is_all else session.execute
    rows = (await read(statement, parameters)).all()
    related = {}
    if rows and not isinstance(parts.written, Object):
        at = head.names.index("id")
        given = {"order_ids": [row[at] for row in rows]}
        for name in parts.names:
            relation = parts.relation(name)
            related[name] = _by_order(relation, (await session.execute(relation.statement, given)).all())
        if parts.returns:
            related["returns"] = _grouped(await return_request.of_orders(session, given["order_ids"]))
        if parts.chargebacks:
            related["chargebacks"] = _grouped(await chargeback.of_orders(session, given["order_ids"]))
    return [_view(session.merchant_id, head, row, related) for row in rows]


def as_placed(merchant_id: UUID, order: Order, act: Act) -> OrderView:
    """An order that was placed by this act, as it would be read back: one event has happened to it."""
    placed = OrderEvent(order.id, order.events, "place", act.actor_seen_by_merchant, act.at, {})
    return OrderView(merchant_id, order, events=(placed,))


async def of_buyer(database: Database, index: Sequence[IndexedOrder], parts: Parts) -> list[OrderView]:
    """Orders of any merchants, by the buyer's own index; one statement for each relation, in one snapshot.

    Chargebacks are between merchant, platform and bank: buyers see none.
    """
    if not index:
        return []
    merchants = sorted({entry.merchant_id for entry in index}, key=lambda merchant: merchant.hex)
    several = [parts.head.across, *(parts.relation(name).across for name in parts.names)]
    given = {"order_ids": [entry.order_id for entry in index]}
    found, *others = await read_few_across(database, several, merchants, parameters=given)
    related = {
        name: _by_order(parts.relation(name), map(_without_merchant, rows))
        for name, rows in zip(parts.names, others, strict=True)
    }
    if parts.returns:
        async with database.read("viewer") as tx, tx.as_platform() as session:
            related["returns"] = _grouped(await return_request.of_orders(session, given["order_ids"]))
    rows = {row["id"]: _without_merchant(row) for row in found}
    head = parts.head
    return [_view(entry.merchant_id, head, rows[entry.order_id], related) for entry in index if entry.order_id in rows]


def _grouped(found: Iterable[B]) -> dict[UUID, list[B]]:
    by_order: dict[UUID, list[B]] = {}
    for each in found:
        by_order.setdefault(each.order_id, []).append(each)
    return by_order


def _without_merchant(row: Mapping[str, Any]) -> list[Any]:
    """The columns of a statement, of a row that was read across merchants."""
    *values, _ = row.values()
    return values


def _by_order(relation: Relation, rows: Iterable[Sequence[Any]]) -> dict[UUID, list[Any]]:
    found: dict[UUID, list[Any]] = {}
    for row in rows:
        found.setdefault(row[relation.order_id], []).append(relation.make(*row))
    return found


def _view(
    merchant_id: UUID, head: Head, row: Sequence[Any], related: Mapping[str, Mapping[UUID, list[Any]]]
) -> OrderView:
    values = [*row]
    written = values.pop() if head.written else None
    if isinstance(head.written, Object):
        return OrderView(merchant_id, head.make(*values, ()), written=written)
    if head.status is not None:
        values[head.status] = OrderStatus(values[head.status])
    order_id = values[head.names.index("id")]
    found: dict[str, Any] = {name: of_orders.get(order_id, ()) for name, of_orders in related.items()}
    order = head.make(*values, tuple(found.pop("lines", ())))
    return OrderView(merchant_id, order, written_lines=written, **found)
