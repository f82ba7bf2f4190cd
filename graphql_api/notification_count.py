"""How many notifications are unread, as that changes."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Final

import strawberry
from graphql import GraphQLError

from graphql_api import access
from graphql_api.context import Info
from graphql_api.notification import unread_count

QUIET_SECONDS: Final = 30.0
"""How long nothing may be heard until it is counted anyway."""


@strawberry.type
class NotificationSubscriptions:
    @strawberry.subscription
    async def notification_count(self, info: Info) -> AsyncGenerator[int, None]:
        """How many notifications the viewer has not read, up to 1,000: now, and whenever it has changed."""
        account_id, bells = access.of_buyer(info.context).account_id, info.context.bells
        if bells is None:
            raise GraphQLError("This server tells nobody anything.", extensions={"code": "NOT_AVAILABLE"})
        told = None
        with bells.bell(account_id) as bell:
            while True:
                bell.clear()
                counted = await unread_count(info)
                if counted != told:
                    yield counted
                    told = counted
                with suppress(TimeoutError):
                    async with asyncio.timeout(QUIET_SECONDS):
                        await bell.wait()
