"""The end of a merchant: its schema becomes read-only, as the owner of the tables; and the way back from there."""

from collections.abc import Callable
from uuid import UUID

import psycopg

from merchantry.domain.act import Act
from merchantry.domain.errors import InvalidInput, NotFound
from merchantry.domain.event import EventKind
from merchantry.services import audit, outbox
from merchantry.services.winding_up import CLOSED, CLOSING
from merchantry.tables.blueprint import MERCHANT_TABLES
from tenancy.directory import CHANNEL
from tenancy.read_only import Connection, hold_still, make_read_only, make_writable
from tenancy.schemas import schema_of

LOCK_TIMEOUT_MS = 5_000
"""How long is waited for writers; while it waits, others wait behind it."""


def seal(owner_url: str, merchant_id: UUID, is_settled: Callable[[], bool], act: Act) -> bool:
    """Close a merchant for good, in one transaction. False, and nothing is done, where it is not settled.

    ``is_settled`` is asked, of whatever connection, while nobody writes in the schema: what it sees is how it stays.
    """
    with psycopg.connect(owner_url) as connection:
        if _locked(connection, merchant_id) != CLOSING:
            return False
        hold_still(connection, schema_of(merchant_id))
        if not is_settled():
            return False
        make_read_only(connection, schema_of(merchant_id))
        connection.execute(
            "UPDATE platform.winding_up SET closed_at = %s WHERE merchant_id = %s", [act.booked_at, merchant_id]
        )
        _move(connection, merchant_id, CLOSING, CLOSED, "merchant.seal", EventKind.MERCHANT_CLOSED, None, act)
    return True


def reopen(owner_url: str, merchant_id: UUID, reason: str, act: Act) -> None:
    """Let a closed merchant's books be written again; it is closing as before. Raises NotFound, InvalidInput."""
    with psycopg.connect(owner_url) as connection:
        if _locked(connection, merchant_id) != CLOSED:
            raise InvalidInput(reason="Only a closed merchant can be opened again.", path=("slug",))
        make_writable(connection, schema_of(merchant_id), MERCHANT_TABLES)
        connection.execute("UPDATE platform.winding_up SET closed_at = NULL WHERE merchant_id = %s", [merchant_id])
        _move(connection, merchant_id, CLOSED, CLOSING, "merchant.reopen", EventKind.MERCHANT_REOPENED, reason, act)


def _locked(connection: Connection, merchant_id: UUID) -> str:
    connection.execute("SELECT set_config('lock_timeout', %s, true)", [str(LOCK_TIMEOUT_MS)])
    row = connection.execute("SELECT status FROM platform.merchant WHERE id = %s FOR UPDATE", [merchant_id]).fetchone()
    if row is None:
        raise NotFound(what="merchant", path=("merchant",))
    return str(row[0])


def _move(
    connection: Connection,
    merchant_id: UUID,
    before: str,
    after: str,
    what: str,
    kind: EventKind,
    reason: str | None,
    act: Act,
) -> None:
    connection.execute("UPDATE platform.merchant SET status = %s WHERE id = %s", [after, merchant_id])
    facts = {"status": after, **({"reason": reason} if reason else {})}
    audit.record_as_owner(connection, merchant_id, act, what, str(merchant_id), {"status": before}, facts)
    outbox.publish_as_owner(connection, merchant_id, kind, {"merchant": merchant_id}, act)
    connection.execute("SELECT pg_notify(%s, %s)", [CHANNEL, "changed"])
