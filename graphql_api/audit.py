"""The audit trail, for the platform's auditors, and for each merchant what concerns it."""

from datetime import datetime
from uuid import UUID

import strawberry
from strawberry.scalars import JSON

from graphql_api import access
from graphql_api.context import Info
from graphql_api.enums import Outcome
from graphql_api.relay import Connection, Node, Parts, connection_of, decode_id, encode_id, node, page
from merchantry.domain import audit as rules
from merchantry.domain.errors import InvalidInput
from merchantry.domain.permission import Permission
from merchantry.domain.worded import Worded
from merchantry.services import audit_search
from merchantry.services.audit_search import EVERYTHING, AuditFilter

MAX_NAME = 200
MAX_MERCHANTS = 100


@strawberry.type(description="Something that somebody did, or was refused; never changed.")
class AuditEvent(Node):
    id: strawberry.ID
    actor: str = strawberry.field(
        description="buyer:, staff:, machine:, platform: or system: and who. A merchant sees platform and buyer alone."
    )
    on_behalf_of: str | None = strawberry.field(description="In whose name, as merchant:<key> or buyer:<key>.")
    client: str | None = strawberry.field(description="token, token:<id> or machine; of the merchant's own only.")
    request_id: str | None = strawberry.field(description="What the answer's X-Request-Id was.")
    act: str = strawberry.field(
        description="Noun and verb, such as product.publish; of a refused attempt the mutation's name."
    )
    subject: str
    outcome: Outcome
    before: JSON | None
    after: JSON | None
    occurred_at: datetime
    booked_at: datetime

    @staticmethod
    def of(found: rules.AuditEvent) -> "AuditEvent":
        """The event as it is stored."""
        return AuditEvent(
            id=encode_id("AuditEvent", found.merchant_id, found.id),
            actor=found.actor,
            on_behalf_of=found.on_behalf_of,
            client=found.client,
            request_id=found.request_id,
            act=found.act,
            subject=found.subject,
            outcome=found.outcome,
            before=None if found.before is None else JSON(found.before),
            after=None if found.after is None else JSON(found.after),
            occurred_at=found.occurred_at,
            booked_at=found.booked_at,
        )

    @staticmethod
    def for_merchant(found: rules.AuditEvent) -> "AuditEvent":
        """The event as its merchant sees it: of people of the platform and of buyers, only that they are those."""
        shown = AuditEvent.of(found)
        role = found.actor.partition(":")[0]
        if role in ("platform", "buyer"):
            shown.actor, shown.client, shown.request_id = role, None, None
        if found.on_behalf_of and found.on_behalf_of.startswith("buyer:"):
            shown.on_behalf_of = "buyer"
        return shown


@strawberry.input(description="Which events: all that are given must fit.")
class AuditFilterInput:
    actor: str | None = strawberry.field(default=None, description="One actor, or with * at its end several: staff:*.")
    act: str | None = strawberry.field(default=None, description="One act, or with * at its end several: payout.*.")
    subject: str | None = None
    request_id: str | None = None
    merchants: list[strawberry.ID] | None = strawberry.field(
        default=None, description="Ids of `platform { merchants }`; a merchant's own trail takes none."
    )
    outcome: Outcome | None = None
    from_: datetime | None = strawberry.field(default=None, name="from", description="The earliest moment of booking.")
    to: datetime | None = strawberry.field(default=None, description="Before which moment of booking.")
    text: str | None = strawberry.field(
        default=None, description="Some of before or after, 3 to 100 characters; needs from, and reads the whole span."
    )

    def to_filter(self) -> AuditFilter:
        """Raises InvalidInput."""
        for name in ("actor", "act", "subject", "request_id"):
            if len(getattr(self, name) or "") > MAX_NAME:
                raise InvalidInput(
                    reason=Worded("Give at most {most} characters.", most=MAX_NAME), path=("filter", name)
                )
        if len(self.merchants or ()) > MAX_MERCHANTS:
            raise InvalidInput(
                reason=Worded("Name at most {most} merchants.", most=MAX_MERCHANTS), path=("filter", "merchants")
            )
        merchants = None
        if self.merchants is not None:
            merchants = [
                decode_id(text, "MerchantRecord", 1, ("filter", "merchants", position))[0]
                for position, text in enumerate(self.merchants)
            ]
        return AuditFilter(
            merchants=merchants,
            actor=self.actor,
            act=self.act,
            subject=self.subject,
            request_id=self.request_id,
            outcome=self.outcome,
            starts_at=self.from_,
            ends_at=self.to,
            text=self.text,
        )


async def of_merchant(
    info: Info, given: AuditFilterInput | None, first: int | None, after: str | None
) -> Connection[AuditEvent]:
    """The selected merchant's part of the trail."""
    allowed = access.of_merchant(info.context, Permission.AUDIT_READ)
    if given and (given.merchants is not None or (given.actor or "").startswith(("platform:", "buyer:"))):
        reason = "A merchant's trail is filtered by its own people and by system: only."
        raise InvalidInput(reason=reason, path=("filter",))
    asked = page("auditEvents", (datetime, UUID), first, after)
    wanted = given.to_filter() if given else EVERYTHING
    async with info.context.database.read(allowed.act.actor) as tx, tx.as_merchant(allowed.merchant_id) as session:
        found = await audit_search.events(session, wanted.of(allowed.merchant_id), asked.first, asked.after)
    return connection_of(found, asked, cursor_of=lambda each: each.cursor, node_of=AuditEvent.for_merchant)


async def of_platform(
    info: Info, given: AuditFilterInput | None, first: int | None, after: str | None
) -> Connection[AuditEvent]:
    """The whole trail."""
    allowed = access.of_platform(info.context, Permission.PLATFORM_AUDIT_READ)
    asked = page("platformAuditEvents", (datetime, UUID), first, after)
    wanted = given.to_filter() if given else EVERYTHING
    async with info.context.database.read(allowed.act.actor) as tx, tx.as_platform() as session:
        found = await audit_search.events(session, wanted, asked.first, asked.after)
    info.context.reads.merchants |= set(wanted.merchants or ())
    return connection_of(found, asked, cursor_of=lambda each: each.cursor, node_of=AuditEvent.of)


@node("AuditEvent", parts=2)
async def load_audit_event(info: Info, parts: Parts) -> AuditEvent | None:
    """The event, for staff of its merchant and for the platform's, where they may read the trail."""
    context, (merchant_id, event_id) = info.context, parts
    selected = context.caller.merchant
    if selected and selected.id == merchant_id:
        actor = access.of_merchant(context, Permission.AUDIT_READ).act.actor
        async with context.database.read(actor) as tx, tx.as_merchant(merchant_id) as session:
            found = await audit_search.find(session, merchant_id, event_id)
        return AuditEvent.for_merchant(found) if found else None
    actor = access.of_platform(context, Permission.PLATFORM_AUDIT_READ).act.actor
    async with context.database.read(actor) as tx, tx.as_platform() as platform:
        found = await audit_search.find(platform, merchant_id, event_id)
    return AuditEvent.of(found) if found else None
