"""Where payment providers tell what became of charges: signed webhooks, each of which has its effect once.

Answers say nothing of what exists: 401 to whom is not the provider, 202 to the provider for what is not known here.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final

from starlette.responses import Response
from starlette.routing import BaseRoute

from graphql_api.signed_messages import Message, route, said
from merchantry.domain.act import Act
from merchantry.gateways.payment import PaymentGateway
from merchantry.gateways.webhook_signature import Secrets
from merchantry.services import payment_message
from tenancy.database import Database

PATH: Final = "/webhooks/payments"


def routes(
    database: Database,
    gateways: Mapping[str, PaymentGateway],
    secrets: Mapping[str, Secrets],
    clock: Callable[[], datetime],
) -> Sequence[BaseRoute]:
    """`POST /webhooks/payments/{provider}`: 200 done (or done before), 202 nothing to do, 401, 408, 413, 422, 503."""

    async def carry_out(message: Message, act: Act) -> Response:
        provider = message.sender
        told = gateways[provider].told(message.body)
        if told is not None and await database.run(
            act.actor, lambda tx: payment_message.hear(tx, provider, message.id, told, act)
        ):
            return said(200, "Done.")
        return said(202, "There is nothing to do.")

    return [route(PATH, {name: secrets[name] for name in gateways if name in secrets}, clock, carry_out)]
