"""One effect per key: written in the transaction of the effect, found again by whoever repeats the request."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, bindparam, func, select, true
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError

from merchantry.domain.act import Act
from merchantry.domain.errors import IdempotencyConflict, IdempotencyInProgress, InvalidInput
from merchantry.domain.worded import Worded
from merchantry.tables.platform import idempotency
from tenancy.database import Session, sqlstate

LOCK_NOT_AVAILABLE = "55P03"
MAX_KEY = 200


def fingerprint(mutation: str, arguments: Any) -> bytes:
    """SHA-256 of a mutation's name and its coerced input."""
    text = json.dumps([mutation, arguments], sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).digest()


@dataclass(frozen=True, slots=True)
class Request:
    """What is to happen once: the client's key, the mutation, and the fingerprint of its input."""

    key: str
    mutation: str
    input_hash: bytes


async def claim(session: Session, merchant_id: UUID, act: Act, request: Request, result_id: UUID) -> UUID | None:
    """Take the key for this transaction: None where it is new, else the id of the first result.

    Raises IdempotencyConflict where the key came with another input, IdempotencyInProgress where the first request is
    still running after the lock timeout. What fails rolls its claim back, so the key may succeed later.
    """
    row = await _taken(session, CLAIM, _row(merchant_id, act, request, result_id), request)
    return None if row.is_new else await _first(session, merchant_id, act, request)


async def claim_and_read(
    session: Session,
    merchant_id: UUID,
    act: Act,
    request: Request,
    result_id: UUID,
    read: Select[Any],
    parameters: Mapping[str, Any],
) -> tuple[UUID | None, Row[Any] | None]:
    """:func:`claim`, and in the same statement the row that is read next, if there is one: locked after the key."""
    given = {**_row(merchant_id, act, request, result_id), **parameters}
    row = await _taken(session, _claiming(read), given, request)
    if not row.is_new:
        return await _first(session, merchant_id, act, request), None
    return None, row if row.is_found else None


_CLAIM = insert(idempotency).on_conflict_do_nothing().returning(idempotency.c.result_id)
_CLAIM = _CLAIM.values({each.name: bindparam(f"claim_{each.name}", type_=each.type) for each in idempotency.c})
_claimed = _CLAIM.cte("claimed")
_claims = select(func.count()).select_from(_claimed).scalar_subquery()
CLAIM = select((_claims == 1).label("is_new"))


@lru_cache(maxsize=16)
def _claiming(read: Select[Any]) -> Select[Any]:
    """The claim with a read that begins once the claim is made, whatever came of it."""
    found = read.add_columns(true().label("is_found")).where(_claims >= 0).cte("found")
    one = CLAIM.subquery("one")
    return select(*found.c, one.c.is_new).select_from(one.outerjoin(found, true()))


def _row(merchant_id: UUID, act: Act, request: Request, result_id: UUID) -> dict[str, Any]:
    """Raises InvalidInput for a key that is none."""
    if not 0 < len(request.key) <= MAX_KEY:
        raise InvalidInput(
            reason=Worded("An idempotency key has 1 to {most} characters.", most=MAX_KEY),
            path=("input", "idempotencyKey"),
        )
    return {
        "claim_merchant_id": merchant_id,
        "claim_actor": act.actor,
        "claim_key": request.key,
        "claim_mutation": request.mutation,
        "claim_input_hash": request.input_hash,
        "claim_result_id": result_id,
        "claim_created_at": act.booked_at,
    }


async def _taken(session: Session, statement: Select[Any], given: Mapping[str, Any], request: Request) -> Row[Any]:
    try:
        return (await session.execute(statement, given)).one()
    except DBAPIError as error:
        if sqlstate(error) == LOCK_NOT_AVAILABLE:
            raise IdempotencyInProgress(key=request.key, path=("input", "idempotencyKey")) from error
        raise


async def _first(session: Session, merchant_id: UUID, act: Act, request: Request) -> UUID:
    first = (
        await session.execute(
            select(idempotency.c.mutation, idempotency.c.input_hash, idempotency.c.result_id).where(
                idempotency.c.merchant_id == merchant_id,
                idempotency.c.actor == act.actor,
                idempotency.c.key == request.key,
            )
        )
    ).one()
    if first.mutation != request.mutation or bytes(first.input_hash) != request.input_hash:
        raise IdempotencyConflict(key=request.key, path=("input", "idempotencyKey"))
    found: UUID = first.result_id
    return found
