"""Many rows at once, each with a result of its own: what was refused is kept, so that a repetition answers the same."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select

from merchantry.domain.act import Act
from merchantry.domain.errors import MarketError
from merchantry.services import audit
from merchantry.tables.platform import audit_event
from tenancy.database import MerchantSession


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a row did nothing. ``path`` leads to what of the row caused it."""

    code: str
    message: str
    path: tuple[str, ...]

    @classmethod
    def of(cls, error: MarketError) -> "Refused":
        """What an error says."""
        return cls(error.code, error.message, tuple(str(step) for step in error.path))


async def record(
    session: MerchantSession,
    act: Act,
    what: str,
    batch_id: UUID,
    *,
    rows: int,
    refused: Mapping[int, Refused],
    done: Sequence[Any] = (),
) -> None:
    """Write one event about all rows; ``done`` is whatever the repetition needs to know of those that did something."""
    facts = {
        "rows": rows,
        "refused": [[at, each.code, each.message, list(each.path)] for at, each in refused.items()],
        "done": list(done),
    }
    await audit.record(session, session.merchant_id, act, what, str(batch_id), None, facts)


async def recorded(session: MerchantSession, what: str, batch_id: UUID) -> tuple[dict[int, Refused], list[Any]]:
    """What :func:`record` wrote of a batch: the rows that were refused, and ``done``."""
    table = audit_event.c
    mine = (table.merchant_id == session.merchant_id) & (table.subject == str(batch_id)) & (table.act == what)
    facts: Mapping[str, Any] = await session.scalar(select(table.after).where(mine))
    refused = {at: Refused(code, message, tuple(path)) for at, code, message, path in facts["refused"]}
    return refused, list(facts["done"])
