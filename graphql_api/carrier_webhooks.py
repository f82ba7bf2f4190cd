"""Where carriers tell where parcels are: signed webhooks, each of which has its effect once.

A carrier learns nothing of what exists: whatever it tells in the right form is taken with one and the same answer.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final

from starlette.responses import Response
from starlette.routing import BaseRoute

from graphql_api.signed_messages import Message, route, said
from merchantry.domain.act import Act
from merchantry.domain.parcel import MOST_AHEAD
from merchantry.gateways import carrier
from merchantry.gateways.payment import MessageUnreadable
from merchantry.gateways.webhook_signature import Secrets
from merchantry.services import parcel
from tenancy.database import Database

PATH: Final = "/webhooks/carriers"


def routes(database: Database, secrets: Mapping[str, Secrets], clock: Callable[[], datetime]) -> Sequence[BaseRoute]:
    """`POST /webhooks/carriers/{carrier}`: 202 taken, 401, 408, 413, 422, 503."""

    async def carry_out(message: Message, act: Act) -> Response:
        told = carrier.told(message.body)
        if told.update.at > act.at + MOST_AHEAD:
            raise MessageUnreadable("its moment is still to come")
        name, number, update = message.sender, told.number, told.update
        await database.run(act.actor, lambda tx: parcel.hear(tx, name, message.id, number, update, act))
        return said(202, "Taken.")

    return [route(PATH, secrets, clock, carry_out)]
