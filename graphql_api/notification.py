"""Notifications: the viewer's own, of all merchants or of the selected one, and how the viewer wants to be told."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

import strawberry
from strawberry.scalars import JSON

from graphql_api import access
from graphql_api.context import Context, Info
from graphql_api.enums import Audience, NewsGroup, NotificationChannel
from graphql_api.problems import mutation
from graphql_api.reader import language_of
from graphql_api.relay import (
    MAX_NODES,
    Connection,
    Node,
    Parts,
    connection_of,
    decode_cursor,
    decode_id,
    encode_id,
    node,
    node_id,
    page,
)
from merchantry.domain.errors import InvalidInput, NotFound
from merchantry.domain.notification import group_of, heard_by_platform, heard_by_staff
from merchantry.domain.permission import Permission
from merchantry.domain.worded import Worded
from merchantry.languages.language import DEFAULT, Language
from merchantry.languages.news import sentence
from merchantry.services import notification, notification_preference
from merchantry.services.notification import ALL, Listener, Wanted
from merchantry.services.notification_preference import Preference
from merchantry.tables.platform import NOBODY
from tenancy.database import PlatformSession, Transaction

LIST = "notifications"

SUBJECTS = {
    "case": "Case",
    "order": "Order",
    "payee_account": "PayeeAccount",
    "payout": "Payout",
    "statement": "Statement",
    "webhook_endpoint": "WebhookEndpoint",
}
"""What news are about, by the kinds of nodes that the API knows them as."""


@strawberry.type(description="Something that the viewer was told. Kinds and their facts are in docs/notifications.md.")
class Notification(Node):
    id: strawberry.ID
    kind: str
    group: NewsGroup
    audience: Audience = strawberry.field(description="As who the viewer was told.")
    merchant_slug: str | None = strawberry.field(description="Where it happened; null where that is no merchant.")
    text: str = strawberry.field(description="What happened, in the viewer's language.")
    subject: JSON = strawberry.field(description="What it is about: its id, and what people call it.")
    created_at: datetime
    read_at: datetime | None = strawberry.field(description="Null while it is unread.")

    @staticmethod
    def of(found: notification.Notification, language: Language) -> "Notification":
        """The notification as it is stored, said in a language."""
        return Notification(
            id=encode_id("Notification", found.merchant_id, found.id),
            kind=found.kind.value,
            group=NewsGroup(group_of(found.kind)),
            audience=Audience(found.audience),
            merchant_slug=found.merchant_slug,
            text=sentence(found.kind, found.audience, found.subject, language),
            subject=JSON(_subject(found.merchant_id, found.subject)),
            created_at=found.created_at,
            read_at=found.read_at,
        )


def _subject(merchant_id: UUID, stored: Mapping[str, Any]) -> dict[str, Any]:
    """The subject with the ids that the API knows it by."""
    opaque = {name: node_id(SUBJECTS[name], merchant_id, UUID(key)) for name, key in stored.items() if name in SUBJECTS}
    return {**stored, **opaque}


@strawberry.type(description="How the viewer is told of a group of news.")
class NotificationPreference:
    merchant_slug: str | None = strawberry.field(description="Null: wherever nothing else is said.")
    group: NewsGroup
    channel: NotificationChannel

    @staticmethod
    def of(found: Preference) -> "NotificationPreference":
        """The preference as it is stored."""
        return NotificationPreference(
            merchant_slug=found.merchant_slug,
            group=NewsGroup(found.group),
            channel=NotificationChannel(found.channel),
        )


@strawberry.input(description="Which notifications; what is left out or null is not asked about.")
class NotificationFilter:
    unread: bool | None = strawberry.field(default=None, description="Only those that are not read.")
    groups: list[NewsGroup] | None = strawberry.field(default=None, description="Of one of these groups.")
    merchant_slug: str | None = strawberry.field(
        default=None, description="What the viewer was told as staff of this merchant."
    )


@strawberry.input(description="Which of the viewer's notifications are read. Give one of `ids` and `upTo`.")
class NotificationsMarkReadInput:
    ids: list[strawberry.ID] | None = strawberry.field(default=None, description="These, 100 at most.")
    up_to: str | None = strawberry.field(
        default=None, description="The one of this cursor and all before it, wherever they were told."
    )
    read: bool = strawberry.field(default=True, description="False: they are unread again.")


@strawberry.input(description="How the viewer wants to be told of a group of news.")
class NotificationPreferenceSetInput:
    merchant_slug: str | None = strawberry.field(
        default=None, description="As staff of this merchant only. Null: wherever nothing else is said."
    )
    group: NewsGroup
    channel: NotificationChannel


@strawberry.type(description="What is left.")
class NotificationsMarked:
    changed: int = strawberry.field(description="How many were not so before.")
    unread_count: int


@strawberry.type(description="The viewer is told so from now on.")
class NotificationPreferenceChanged:
    preferences: list[NotificationPreference]


def listener_of(context: Context) -> Listener:
    """Whoever asks, and what they may hear of. Raises NotAuthenticated for nobody, and for machines."""
    account_id, principal = access.of_buyer(context).account_id, context.caller.principal
    at_merchants = {key: heard_by_staff(roles) for key, roles in principal.memberships.items()}
    return Listener(account_id, at_merchants, heard_by_platform(principal.platform_roles))


@node("Notification", parts=2)
async def load_notification(info: Info, parts: Parts) -> Notification | None:
    """The viewer's own."""
    listener = listener_of(info.context)
    async with info.context.database.read("viewer") as tx, tx.as_platform() as session:
        found = await notification.find(session, listener, *parts)
        language = await language_of(info.context, session)
    return Notification.of(found, language) if found else None


async def of_viewer(
    info: Info, given: NotificationFilter | None, first: int | None, after: str | None
) -> Connection[Notification]:
    """What the viewer was told, wherever."""

    async def wanted(session: PlatformSession) -> Wanted:
        return await _wanted(session, info.context, given)

    return await _page(info, listener_of(info.context), first, after, wanted)


async def of_merchant(info: Info, first: int | None, after: str | None) -> Connection[Notification]:
    """What the viewer was told as staff of the selected merchant; machines are told nothing."""
    allowed = access.of_merchant(info.context, Permission.NOTIFICATION_READ)
    if info.context.caller.principal.account_id is None:
        asked = page(LIST, (int,), first, after)
        return connection_of([], asked, cursor_of=_cursor, node_of=partial(Notification.of, language=DEFAULT))

    async def wanted(session: PlatformSession) -> Wanted:
        return Wanted(merchant_id=allowed.merchant_id)

    return await _page(info, listener_of(info.context), first, after, wanted)


async def unread_count(info: Info) -> int:
    """How many notifications the viewer has not read, up to 1,000."""
    listener = listener_of(info.context)
    async with info.context.database.read("viewer") as tx, tx.as_platform() as session:
        return await notification.unread(session, listener)


async def preferences(info: Info) -> list[NotificationPreference]:
    """What the viewer said about being told."""
    account_id = access.of_buyer(info.context).account_id
    async with info.context.database.read("viewer") as tx, tx.as_platform() as session:
        found = await notification_preference.said_by(session, account_id)
    return [NotificationPreference.of(each) for each in found]


async def _page(
    info: Info,
    listener: Listener,
    first: int | None,
    after: str | None,
    wanted_by: Callable[[PlatformSession], Awaitable[Wanted]],
) -> Connection[Notification]:
    asked = page(LIST, (int,), first, after)
    below = asked.after[0] if asked.after else None
    async with info.context.database.read("viewer") as tx, tx.as_platform() as session:
        wanted = await wanted_by(session)
        found = await notification.page(session, listener, wanted, asked.limit, below)
        language = await language_of(info.context, session)
    return connection_of(found, asked, cursor_of=_cursor, node_of=partial(Notification.of, language=language))


def _cursor(found: notification.Notification) -> tuple[int]:
    return (found.seq,)


async def _wanted(session: PlatformSession, context: Context, given: NotificationFilter | None) -> Wanted:
    if given is None:
        return ALL
    merchant_id = None
    if given.merchant_slug is not None:
        merchant_id = await _merchant_of_viewer(session, context, given.merchant_slug, ("filter", "merchantSlug"))
    return Wanted(bool(given.unread), given.groups, merchant_id)


@strawberry.type
class NotificationMutations:
    @mutation(problems=[NotFound, InvalidInput])
    async def notifications_mark_read(self, info: Info, input: NotificationsMarkReadInput) -> NotificationsMarked:
        """The viewer has read these notifications, or all up to one."""
        listener, context = listener_of(info.context), info.context
        ids, up_to = _chosen(input)
        now = context.clock() if input.read else None

        async def work(tx: Transaction) -> NotificationsMarked:
            async with tx.as_platform() as session:
                if up_to is None:
                    changed = await notification.mark(session, listener, ids, now)
                else:
                    changed = await notification.mark_up_to(session, listener, up_to, now)
                return NotificationsMarked(changed=changed, unread_count=await notification.unread(session, listener))

        return await context.database.run("viewer", work)

    @mutation(problems=[NotFound, InvalidInput])
    async def notification_preference_set(
        self, info: Info, input: NotificationPreferenceSetInput
    ) -> NotificationPreferenceChanged:
        """How the viewer is told of a group of news from now on."""
        buyer, context = access.of_buyer(info.context), info.context

        async def work(tx: Transaction) -> list[Preference]:
            async with tx.as_platform() as session:
                merchant_id = NOBODY
                if input.merchant_slug is not None:
                    path = ("input", "merchantSlug")
                    merchant_id = await _merchant_of_viewer(session, context, input.merchant_slug, path)
                said = Preference(buyer.account_id, merchant_id, input.group, input.channel)
                await notification_preference.set_channel(session, said, buyer.act.at)
                return await notification_preference.said_by(session, buyer.account_id)

        found = await context.database.run(buyer.act.actor, work)
        return NotificationPreferenceChanged(preferences=[NotificationPreference.of(each) for each in found])


def _chosen(given: NotificationsMarkReadInput) -> tuple[list[UUID], int | None]:
    """These, or all up to a number."""
    path = ("input", "ids")
    if (given.ids is None) == (given.up_to is None):
        raise InvalidInput(reason="Give one of ids and upTo.", path=path)
    if given.up_to is not None:
        return [], decode_cursor(given.up_to, LIST, (int,))[0]
    ids = given.ids or []
    if len(ids) > MAX_NODES:
        raise InvalidInput(
            reason=Worded("Mark at most {most} notifications at once, or all up to one.", most=MAX_NODES), path=path
        )
    return [decode_id(each, "Notification", 2, path)[1] for each in ids], None


async def _merchant_of_viewer(session: PlatformSession, context: Context, slug: str, path: tuple[str, ...]) -> UUID:
    """The merchant whose staff the viewer belongs to; another answers as one that there is not. Raises NotFound."""
    slugs = await notification_preference.slugs_of(session, context.caller.principal.memberships.keys())
    found = next((merchant_id for merchant_id, each in slugs.items() if each == slug), None)
    if found is None:
        raise NotFound(what="merchant", path=path)
    return found
