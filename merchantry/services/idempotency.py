"""One effect per key: written in the transaction of the effect, found again by whoever repeats the request."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select
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
    if not 0 < len(request.key) <= MAX_KEY:
        raise InvalidInput(
            reason=Worded("An idempotency key has 1 to {most} characters.", most=MAX_KEY),
            path=("input", "idempotencyKey"),
        )
    row = {
        "merchant_id": merchant_id,
        "actor": act.actor,
        "key": request.key,
        "mutation": request.mutation,
        "input_hash": request.input_hash,
        "result_id": result_id,
        "created_at": act.booked_at,
    }
    try:
        inserted = await session.execute(
            insert(idempotency).values(row).on_conflict_do_nothing().returning(idempotency.c.result_id)
        )
    except DBAPIError as error:
        if sqlstate(error) == LOCK_NOT_AVAILABLE:
            raise IdempotencyInProgress(key=request.key, path=("input", "idempotencyKey")) from error
        raise
    if inserted.first():
        return None
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
