"""The sandbox provider's own webhooks, which it posts over HTTP as a company outside would."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import httpx
import structlog

from merchantry.gateways.payment import Outcome
from merchantry.gateways.sandbox import message
from merchantry.gateways.webhook_signature import Secrets

ATTEMPTS: Final = 2
TIMEOUT_SECONDS: Final = 5.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class SandboxWebhook:
    """Where the sandbox posts, and what it signs with. ``transport`` None is the network."""

    url: str
    secrets: Secrets
    clock: Callable[[], datetime]
    transport: httpx.AsyncBaseTransport | None = None

    async def tell(self, key: UUID, outcome: Outcome) -> bool:
        """Post what became of a charge. Whether it was taken; if not, the mall asks by itself some time."""
        now = self.clock()
        body = message(key, outcome, now)
        headers = self.secrets.sign(f"msg_{key.hex}_{outcome.status}", now, body)
        headers["content-type"] = "application/json"
        async with httpx.AsyncClient(transport=self.transport, timeout=TIMEOUT_SECONDS) as client:
            for _ in range(ATTEMPTS):
                try:
                    answer = await client.post(self.url, content=body, headers=headers)
                except httpx.HTTPError as error:
                    log.warning("sandbox_webhook.not_sent", error=type(error).__name__)
                    continue
                if answer.is_success:
                    return True
                log.warning("sandbox_webhook.not_taken", status=answer.status_code)
        return False
