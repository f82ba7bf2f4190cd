"""What requests leave in the audit trail beside the acts themselves: refused attempts, and reads that are watched.

Each is a transaction of its own: a refused act is rolled back, and a query's own transaction can't write. Reads are
written before the answer is given, and where that fails there is no answer.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import structlog
from graphql import DocumentNode
from sqlalchemy.exc import SQLAlchemyError
from strawberry.extensions import SchemaExtension

from graphql_api import access
from graphql_api.asked import texts_given
from graphql_api.context import Context
from graphql_api.relay import parse_id
from merchantry.domain import errors
from merchantry.domain.act import Act
from merchantry.domain.errors import MarketError
from merchantry.services import audit
from merchantry.services.refusal import refuse
from merchantry.tables.platform import NOBODY
from tenancy.database import CommitUnknown, Database
from tenancy.principals import Principal
from tenancy.writes import later

REFUSALS: Final[tuple[type[MarketError], ...]] = (
    errors.NotPermitted,
    errors.NotFound,
    errors.OwnAct,
    errors.VotedAlready,
    errors.CaseClosed,
    errors.StatementDecided,
    errors.BankLineDecided,
    errors.MerchantClosed,
    errors.MerchantUnavailable,
)
"""What is refused to somebody, rather than impossible at present: no right to it, not theirs, or decided before."""

MAX_ORDERS: Final = 100

log = structlog.get_logger()


async def refused(context: Context, mutation: str, error: MarketError, given: Mapping[str, Any]) -> None:
    """Write that somebody's attempt was refused. The answer stays what it is, whatever becomes of this."""
    who = context.caller.principal
    if not isinstance(error, REFUSALS) or who.is_anonymous:
        return
    merchant = context.caller.merchant
    is_staff = merchant is not None and bool(who.roles_in(merchant.id))
    role = "staff" if is_staff else "platform" if who.platform_roles else "buyer"
    act = access.act_of(context, role, on_behalf_of=f"merchant:{merchant.id}" if merchant and is_staff else None)
    after = {"problem": error.code, "path": [str(step) for step in error.path][:10]}
    if isinstance(error, errors.NotPermitted):
        after["permission"] = str(error.permission)
    owner = merchant.id if merchant and is_staff else NOBODY
    await _refuse(context.database, owner, act, mutation, _subject(error, given), after)


async def refused_at_the_door(
    database: Database, clock: Callable[[], datetime], who: Principal, slug: str, request_id: str | None
) -> None:
    """Write that somebody named a merchant that is not there or not theirs: alike, and in the platform's trail only."""
    role = "platform" if who.platform_roles else "staff" if who.memberships else "buyer"
    now = clock()
    client = "token" if who.machine is None else "machine"
    act = Act(access.actor_of(who, role), now, now, None, client, request_id)
    await _refuse(database, NOBODY, act, "door", slug, {"problem": "MERCHANT_REFUSED"})


async def _refuse(database: Database, owner: UUID, act: Act, what: str, subject: str, after: audit.Facts) -> None:
    """Whatever becomes of this, the answer stays what it is."""
    try:
        async with database.write(act.actor) as tx, tx.as_platform() as session:
            await refuse(session, owner, act, what, subject, after)
    except (SQLAlchemyError, OSError, CommitUnknown) as lost:
        log.warning("audit.refusal_lost", error=type(lost).__name__, act=what)


def _subject(error: MarketError, given: Mapping[str, Any]) -> str:
    """The key of what the input named where it was refused, as the events of acts name it; else ``-``."""
    names = [step for step in error.path if isinstance(step, str) and step != "input"]
    values = [given.get(name) for name in names] or list(given.values())
    ids = (parse_id(value) for value in values if isinstance(value, str))
    return next((str(found[1][-1]) for found in ids if found and found[1]), "-")


class WatchedReads(SchemaExtension):
    """Writes, before an answer is given, what was read across merchants and whose contact data was opened."""

    async def on_operation(self) -> AsyncIterator[None]:
        """Around the whole operation."""
        yield
        context, document = self.execution_context.context, self.execution_context.graphql_document
        if isinstance(context, Context) and document is not None:
            await watched(context, document, self.execution_context.variables or {})


async def watched(context: Context, document: DocumentNode, variables: Mapping[str, Any]) -> None:
    """Write what an operation has read that is watched."""
    if context.reads.across:
        context.reads.merchants |= _merchants_named(texts_given(document, variables))
    await write_reads(context)


def _merchants_named(texts: Iterable[str]) -> set[UUID]:
    """The merchants of ids: of their own, and of what is theirs."""
    ids = filter(None, map(parse_id, texts))
    return {parts[0] for kind, parts in ids if len(parts) > 1 or (parts and kind == "MerchantRecord")}


async def write_reads(context: Context, *paths: str) -> None:
    """Write the request's watched reads: one event for what was read across merchants, one for contact data.

    ``paths`` say what was asked for where it was no document. Raises what the database raises; then nothing may be
    answered.
    """
    reads = context.reads
    if not reads.across and not any(reads.contacts.values()):
        return
    fields = [*context.asked.roots, *paths]
    async with context.database.write("reads") as tx, tx.as_platform() as session:
        if reads.across:
            act = access.act_of(context, "platform")
            (only, *others) = reads.merchants or (NOBODY,)
            named: Any = sorted(map(str, reads.merchants)) if reads.merchants else "all"
            after = {"fields": fields, "merchants": named, "permissions": sorted(map(str, reads.across))}
            subject = str(only) if reads.merchants and not others else "all"
            owner = NOBODY if others else only
            later(session, audit.event(session, owner, act, "platform.read", subject, None, after))
        for merchant_id, orders in reads.contacts.items():
            if orders:
                act = access.act_of(context, "staff", on_behalf_of=f"merchant:{merchant_id}")
                listed = sorted(map(str, orders))
                after = {"fields": fields, "orders": listed[:MAX_ORDERS], "count": len(listed)}
                subject = listed[0] if len(listed) == 1 else "orders"
                later(session, audit.event(session, merchant_id, act, "contact.read", subject, None, after))
