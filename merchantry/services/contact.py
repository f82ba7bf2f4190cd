"""Buyers' contact data: sealed under a key of its own for each order and each checkout, and opened for who may see it.

The key is a row of ``platform.contact_key``, sealed with the data key of the order's merchant, or the platform's for a
checkout. Without that row nothing opens the data any more, in no schema, export or backup of a merchant.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Row, Select, Table, Uuid, and_, bindparam, func, null, select

from merchantry.domain.act import Act
from merchantry.domain.contact import ERASED, Contact, ContactStatus
from merchantry.services.vault import Owner, Vault, owner_of
from merchantry.tables.contact import contact_key
from merchantry.tables.mail import mail_address
from merchantry.tables.merchant import orders
from merchantry.tables.platform import NOBODY, checkout
from merchantry.vault.keys import DataKey, new_data_key
from merchantry.vault.seal import open_, seal
from tenancy.database import MerchantSession, PlatformSession
from tenancy.tables import guest
from tenancy.writes import New

KEY: Final[Mapping[str, str]] = {"table": "contact_key", "column": "sealed"}
_VERSION: Final = 1
"""Of a contact's key, which is never replaced: only destroyed."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """What stands in the row, and the row of the key that opens it."""

    contact: bytes
    key: New


async def seal_for(
    session: Owner, vault: Vault, address: Mapping[str, Any], act: Act, *, table: str, row_id: UUID
) -> Sealed:
    """The address, sealed for a row of a table that holds contacts; both results must be written.

    Raises VaultError.
    """
    return seal_with(await vault.current_key(session, act), address, table=table, row_id=row_id)


def seal_with(owners: DataKey, address: Mapping[str, Any], *, table: str, row_id: UUID) -> Sealed:
    """:func:`seal_for` with the owner's data key at hand."""
    key = new_data_key(owners.merchant_id, _VERSION)
    sealed = seal(key, to_bytes(address), table=table, row_id=row_id, column="contact")
    sealed_key = seal(owners, key.secret, row_id=row_id, **KEY)
    row = {"merchant_id": owners.merchant_id, "subject_id": row_id, "sealed": sealed_key}
    return Sealed(sealed, New(contact_key, row))


class Stored(NamedTuple):
    """Contact data of an order as it stands in its row, in clear or sealed, and the sealed key that opens it."""

    id: UUID
    ship_to: Mapping[str, Any] | None
    contact: bytes | None
    sealed: bytes | None


def beside(statement: Select[Any], owner: ColumnElement[UUID]) -> Select[Any]:
    """A statement for orders, with what is stored of their contacts behind its columns: ``ship_to``, ``contact`` and
    ``sealed``. The keys are the owner's."""
    key = and_(contact_key.c.merchant_id == owner, contact_key.c.subject_id == orders.c.id)
    return statement.add_columns(orders.c.ship_to, orders.c.contact, contact_key.c.sealed).outerjoin(contact_key, key)


async def opened(session: MerchantSession, vault: Vault, stored: Iterable[Stored | Row[Any]]) -> dict[UUID, Contact]:
    """Where orders of the session's merchant go, by order. Raises VaultError."""
    return {each.id: await _contact(session, vault, "orders", each) for each in stored}


async def of_orders(session: MerchantSession, vault: Vault, order_ids: Collection[UUID]) -> dict[UUID, Contact]:
    """Where orders of the session's merchant go, by order. Raises VaultError."""
    rows = await session.execute(_OF_ORDERS, {"owner": session.merchant_id, "ids": list(order_ids)})
    return await opened(session, vault, rows.all())


async def of_checkouts(session: PlatformSession, vault: Vault, checkout_ids: Collection[UUID]) -> dict[UUID, Contact]:
    """Where checkouts go, by checkout: for their buyer. Raises VaultError."""
    rows = await session.execute(_OF_CHECKOUTS, {"owner": NOBODY, "ids": list(checkout_ids)})
    return {row.id: await _contact(session, vault, "checkout", row) for row in rows.all()}


async def of_guest(session: PlatformSession, vault: Vault, guest_id: UUID) -> Contact:
    """Where a guest's mail goes. Raises VaultError."""
    key = and_(contact_key.c.merchant_id == NOBODY, contact_key.c.subject_id == guest.c.id)
    columns = (guest.c.id, null().label("ship_to"), guest.c.contact, contact_key.c.sealed)
    rows = await session.execute(select(*columns).outerjoin(contact_key, key).where(guest.c.id == guest_id))
    row = rows.one_or_none()
    return ERASED if row is None else await _contact(session, vault, "guest", row)


async def of_mail(session: PlatformSession, vault: Vault, account_id: UUID) -> Contact:
    """What an account's mail needs: where it goes, if somebody said so, and what signs its links. Raises VaultError."""
    table = mail_address.c
    key = and_(contact_key.c.merchant_id == NOBODY, contact_key.c.subject_id == table.account_id)
    columns = (table.account_id.label("id"), null().label("ship_to"), table.contact, contact_key.c.sealed)
    rows = await session.execute(select(*columns).outerjoin(contact_key, key).where(table.account_id == account_id))
    row = rows.one_or_none()
    return ERASED if row is None else await _contact(session, vault, "mail_address", row)


def _select(table: Table) -> Select[Any]:
    """Contacts of the parameters ``ids``, whose keys are the ``owner``'s."""
    key = and_(contact_key.c.merchant_id == bindparam("owner"), contact_key.c.subject_id == table.c.id)
    columns = (table.c.id, table.c.ship_to, table.c.contact, contact_key.c.sealed)
    is_asked = table.c.id == func.any(bindparam("ids", type_=ARRAY(Uuid)))
    return select(*columns).outerjoin(contact_key, key).where(is_asked)


_OF_ORDERS: Final = _select(orders)
_OF_CHECKOUTS: Final = _select(checkout)


async def _contact(session: Owner, vault: Vault, table: str, row: Stored | Row[Any]) -> Contact:
    if row.ship_to is not None:  # written before contacts were sealed, and not converted yet
        return Contact(ContactStatus.SHOWN, row.ship_to)
    if row.contact is None or row.sealed is None:
        return ERASED
    secret = await vault.open(session, bytes(row.sealed), row_id=row.id, **KEY)
    key = DataKey(owner_of(session), _VERSION, secret)
    opened = open_(key, bytes(row.contact), table=table, row_id=row.id, column="contact")
    return Contact(ContactStatus.SHOWN, from_bytes(opened))


def to_bytes(address: Mapping[str, Any]) -> bytes:
    """What is sealed: the address as a JSON object."""
    return json.dumps(address, sort_keys=True).encode("utf-8")


def from_bytes(opened: bytes) -> dict[str, Any]:
    """The address that :func:`to_bytes` wrote."""
    address: dict[str, Any] = json.loads(opened)
    return address
