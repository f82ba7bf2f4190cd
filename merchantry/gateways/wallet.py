"""A wallet provider over HTTP.

`POST /transfers` with `Authorization: Bearer …` and `Idempotency-Key: {key}` takes a transfer as JSON: `amount` (a
decimal in a string), `currency`, `wallet_id`, `reference`. `GET /transfers/by-key/{key}` tells what became of it. Both
answer a transfer as `{"key", "id", "status", "reason", "occurred_at"}` with a status of `accepted`, `paid`, `rejected`,
`returned`, or `{"key", "status": "not_found"}`; the same key with another body is `{"key", "status": "conflict"}`.

Only such a body about the very key that was asked for counts, whatever the HTTP status: a proxy's own 403 or 404 must
not pass for the provider's no.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import httpx
import orjson

from merchantry.domain.money import format_minor
from merchantry.gateways.payout import Answer, Batch, Instruction, PayeeWallet, RepeatDiffers, TransferStatus

REQUESTS_AT_ONCE = 8
SEND_SECONDS = 60
"""How long a batch is worked on: less than the port waits for it, so that the answers which came in are kept."""
MAX_BODY_BYTES = 64 * 2**10
LONGEST_WORDS = 200

_STATUSES = {
    "accepted": TransferStatus.ACCEPTED,
    "paid": TransferStatus.PAID,
    "returned": TransferStatus.RETURNED,
    "rejected": TransferStatus.REJECTED,
}


class WalletProvider:
    """Pays into wallets. ``limits`` is the most that one transfer may carry, by currency, in minor units."""

    name = "wallet"

    def __init__(self, base_url: str, token: str, *, limits: Mapping[str, int], timeout_seconds: float = 10) -> None:
        self._base_url = base_url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"}
        self._limits = limits
        self._timeout_seconds = timeout_seconds

    def limit_minor(self, currency: str) -> int | None:
        """The most that one transfer may carry; None without a limit."""
        return self._limits.get(currency)

    async def send(self, instructions: Sequence[Instruction], batch: Batch) -> Mapping[UUID, Answer]:
        """Ask for each transfer, some at once; what is not answered in time is UNKNOWN.

        Raises RepeatDiffers, after all have been asked for, where the provider has another transfer under a key.
        """
        places = asyncio.Semaphore(REQUESTS_AT_ONCE)
        deadline = asyncio.get_running_loop().time() + SEND_SECONDS
        answers: dict[UUID, Answer] = {}
        differing: list[UUID] = []

        async def ask_for(client: httpx.AsyncClient, instruction: Instruction) -> None:
            try:
                async with asyncio.timeout_at(deadline), places:
                    answers[instruction.key] = await self._send(client, instruction)
            except TimeoutError:
                answers[instruction.key] = _unknown("not answered in time")
            except RepeatDiffers:
                differing.append(instruction.key)

        async with self._client() as client, asyncio.TaskGroup() as tasks:
            for instruction in instructions:
                tasks.create_task(ask_for(client, instruction))
        if differing:
            raise RepeatDiffers(f"The provider has other transfers under {', '.join(map(str, differing))}")
        return answers

    async def find(self, key: UUID) -> Answer:
        """What became of a transfer, as the provider says at this moment."""
        async with self._client() as client:
            return await self._asked(client, key, "GET", f"/transfers/by-key/{key}")

    async def _send(self, client: httpx.AsyncClient, instruction: Instruction) -> Answer:
        if not isinstance(instruction.payee, PayeeWallet):
            return Answer(TransferStatus.REJECTED, reason="this provider pays into wallets only")
        transfer = {
            "amount": format_minor(instruction.amount_minor, instruction.currency),
            "currency": instruction.currency,
            "wallet_id": instruction.payee.wallet_id,
            "reference": instruction.reference,
        }
        return await self._asked(client, instruction.key, "POST", "/transfers", transfer)

    async def _asked(
        self, client: httpx.AsyncClient, key: UUID, method: str, path: str, body: Mapping[str, str] | None = None
    ) -> Answer:
        headers = {"Idempotency-Key": str(key)} if body else None
        try:
            async with asyncio.timeout(self._timeout_seconds):
                response = await client.request(method, f"{self._base_url}{path}", json=body, headers=headers)
        except (httpx.HTTPError, OSError, TimeoutError) as error:
            return _unknown(type(error).__name__)
        return _answer(response, key)

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(headers=self._headers, timeout=self._timeout_seconds)


def _answer(response: httpx.Response, key: UUID) -> Answer:
    """What a response says of the key: UNKNOWN unless it is the provider's own word, and its code goes with it."""
    code, body = response.status_code, _body(response)
    if body is None or body.get("key") != str(key):
        return _unknown(f"HTTP {code} with a body that says nothing of this transfer")
    word = body.get("status")
    if (code, word) == (409, "conflict"):
        raise RepeatDiffers(str(key))
    if (code, word, response.request.method) == (404, "not_found", "GET"):
        return Answer(TransferStatus.NOT_FOUND)
    status = _STATUSES.get(word) if isinstance(word, str) else None
    if status and (response.is_success or (response.is_client_error and status is TransferStatus.REJECTED)):
        return _told(status, body)
    return _unknown(f"HTTP {code}")


def _told(status: TransferStatus, body: Mapping[str, Any]) -> Answer:
    occurred_at, reference, reason = (body.get(name) for name in ("occurred_at", "id", "reason"))
    try:
        instant = None if occurred_at is None else datetime.fromisoformat(occurred_at)
    except (TypeError, ValueError):
        return _unknown("its time can't be read")
    if instant and instant.tzinfo is None:
        return _unknown("its time has no offset")
    return Answer(status, _words(reference), _words(reason), instant)


def _body(response: httpx.Response) -> Mapping[str, Any] | None:
    if len(response.content) > MAX_BODY_BYTES:
        return None
    try:
        body = orjson.loads(response.content)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def _words(value: object) -> str | None:
    """A text of the provider's, in characters that can be kept and shown."""
    if not isinstance(value, str):
        return None
    return "".join(character for character in value if character.isprintable())[:LONGEST_WORDS] or None


def _unknown(reason: str) -> Answer:
    return Answer(TransferStatus.UNKNOWN, reason=reason)
