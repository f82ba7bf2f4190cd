"""The wallet provider's adapter against the pretended provider, over a socket."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from merchantry.gateways import provider_statement
from merchantry.gateways.payout import Answer, Instruction, RepeatDiffers, TransferStatus, asked, sent
from merchantry.gateways.wallet import WalletProvider
from merchantry.wallet_simulator.running import running
from tests.gateways.papers import a_batch, an_instruction, into_wallet

TOKEN = "secret"
PATIENCE_SECONDS = 0.5
NOW = datetime(2026, 3, 30, 12, tzinfo=UTC)


@dataclass
class Simulated:
    """A provider that runs, and how it is reached."""

    url: str
    wallet: WalletProvider = field(init=False)

    def __post_init__(self) -> None:
        self.wallet = WalletProvider(self.url, TOKEN, limits={"EUR": 100_000}, timeout_seconds=PATIENCE_SECONDS)

    async def send(self, *instructions: Instruction) -> list[Answer]:
        answers = await sent(self.wallet, instructions, a_batch())
        return [answers[each.key] for each in instructions]

    async def find(self, instruction: Instruction) -> Answer:
        return await asked(self.wallet.find(instruction.key))

    async def call(self, method: str, path: str, **more: Any) -> httpx.Response:
        async with httpx.AsyncClient(base_url=self.url, headers={"Authorization": f"Bearer {TOKEN}"}) as client:
            return await client.request(method, path, **more)

    async def books(self) -> list[tuple[str, str, str]]:
        """Wallet, amount and status of all that was ever taken."""
        return [
            (each["wallet_id"], each["amount"], each["status"])
            for each in (await self.call("GET", "/transfers")).json()
        ]

    async def advance(self, seconds: int) -> None:
        assert (await self.call("POST", "/control/clock", json={"advance_seconds": seconds})).is_success


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[Simulated]:
    with running(tmp_path / "books.sqlite", token=TOKEN, slow_seconds=2 * PATIENCE_SECONDS, clock=lambda: NOW) as url:
        yield Simulated(url)


async def test_a_transfer_is_paid(provider: Simulated) -> None:
    instruction = into_wallet("ok-1")
    (answer,) = await provider.send(instruction)
    assert answer.status is TransferStatus.PAID
    assert answer.occurred_at == NOW
    assert answer.provider_reference
    assert await provider.find(instruction) == answer
    assert await provider.books() == [("ok-1", "12.30", "paid")]


async def test_a_repeat_pays_once(provider: Simulated) -> None:
    instruction = into_wallet("ok-1")
    answers = await asyncio.gather(*(provider.send(instruction) for _ in range(8)))
    assert {answer.status for (answer,) in answers} == {TransferStatus.PAID}
    assert len(await provider.books()) == 1


async def test_a_delayed_transfer_is_accepted_and_then_paid(provider: Simulated) -> None:
    instruction = into_wallet("delay-1")
    (answer,) = await provider.send(instruction)
    assert answer.status is TransferStatus.ACCEPTED
    assert (await provider.find(instruction)).status is TransferStatus.ACCEPTED
    await provider.advance(5)
    assert (await provider.find(instruction)).status is TransferStatus.PAID


@pytest.mark.parametrize("behaviour", ["slow", "drop", "error_after"])
async def test_no_answer_after_it_was_taken_is_unknown_until_it_is_asked_about(
    provider: Simulated, behaviour: str
) -> None:
    instruction = into_wallet(f"{behaviour}-1")
    (answer,) = await provider.send(instruction)
    assert answer.status is TransferStatus.UNKNOWN
    assert (await provider.find(instruction)).status is TransferStatus.PAID
    (repeated,) = await provider.send(instruction)
    assert repeated.status is TransferStatus.PAID
    assert await provider.books() == [(f"{behaviour}-1", "12.30", "paid")]


async def test_an_error_before_it_was_taken_is_unknown_too_and_a_repeat_pays_once(provider: Simulated) -> None:
    instruction = into_wallet("error-1")
    (answer,) = await provider.send(instruction)
    assert answer.status is TransferStatus.UNKNOWN
    assert (await provider.find(instruction)).status is TransferStatus.NOT_FOUND
    assert await provider.books() == []
    await provider.call("PUT", "/control/wallets/error-1", json={"behaviour": "ok"})
    (repeated,) = await provider.send(instruction)
    assert repeated.status is TransferStatus.PAID
    assert len(await provider.books()) == 1


async def test_a_rejection_is_definite_and_has_a_reason(provider: Simulated) -> None:
    instruction = into_wallet("fail-1")
    for answer in [*await provider.send(instruction), *await provider.send(instruction)]:
        assert (answer.status, answer.reason) == (TransferStatus.REJECTED, "the wallet is closed")
    assert (await provider.find(instruction)).status is TransferStatus.REJECTED


async def test_answers_that_overtake_each_other_stay_with_their_keys(provider: Simulated) -> None:
    instructions = [into_wallet(f"reorder-{number}", number) for number in range(1, 9)]
    instructions.append(into_wallet("fail-9", 9))
    answers = await provider.send(*instructions)
    assert [answer.status for answer in answers] == [TransferStatus.PAID] * 8 + [TransferStatus.REJECTED]
    assert len({answer.provider_reference for answer in answers}) == 9
    assert (await provider.find(instructions[0])).status is TransferStatus.ACCEPTED, "an older status, told late"
    assert (await provider.find(instructions[0])).status is TransferStatus.PAID


async def test_money_that_comes_back_is_returned_since_a_moment(provider: Simulated) -> None:
    instruction = into_wallet("return-1")
    (answer,) = await provider.send(instruction)
    assert answer.status is TransferStatus.PAID
    await provider.advance(60)
    returned = await provider.find(instruction)
    assert returned.status is TransferStatus.RETURNED
    assert returned.reason == "the payee gave it back"
    assert returned.occurred_at == datetime(2026, 3, 30, 12, 0, 5, tzinfo=UTC)


async def test_another_transfer_under_the_same_key_is_an_error_and_pays_nothing(provider: Simulated) -> None:
    await provider.send(into_wallet("ok-1", 1))
    with pytest.raises(RepeatDiffers, match=str(UUID(int=1))):
        await provider.send(into_wallet("ok-1", 1, amount_minor=9999), into_wallet("ok-2", 2))
    assert await provider.books() == [("ok-1", "12.30", "paid"), ("ok-2", "12.30", "paid")]


async def test_a_bank_account_is_rejected_without_asking(provider: Simulated) -> None:
    (answer,) = await provider.send(an_instruction())
    assert answer.status is TransferStatus.REJECTED
    assert await provider.books() == []


async def test_a_key_that_never_came_is_not_found(provider: Simulated) -> None:
    assert (await provider.find(into_wallet("ok-1"))).status is TransferStatus.NOT_FOUND


async def test_a_wrong_token_is_not_a_no_to_the_transfer(provider: Simulated) -> None:
    stranger = WalletProvider(provider.url, "wrong", limits={})
    instruction = into_wallet("ok-1")
    assert (await stranger.send([instruction], a_batch()))[instruction.key].status is TransferStatus.UNKNOWN
    assert (await stranger.find(instruction.key)).status is TransferStatus.UNKNOWN


async def test_a_wrong_address_is_not_a_no_to_the_transfer(provider: Simulated) -> None:
    lost = WalletProvider(f"{provider.url}/elsewhere", TOKEN, limits={})
    assert (await lost.find(UUID(int=1))).status is TransferStatus.UNKNOWN


async def test_a_provider_that_is_away_has_not_said_no(tmp_path: Path) -> None:
    with running(tmp_path / "books.sqlite", token=TOKEN) as url:
        gone = Simulated(url)
    instruction = into_wallet("ok-1")
    assert [answer.status for answer in await gone.send(instruction)] == [TransferStatus.UNKNOWN]
    assert (await gone.find(instruction)).status is TransferStatus.UNKNOWN


async def test_the_books_survive_a_restart(tmp_path: Path) -> None:
    instruction = into_wallet("ok-1")
    with running(tmp_path / "books.sqlite", token=TOKEN) as url:
        (first,) = await Simulated(url).send(instruction)
    with running(tmp_path / "books.sqlite", token=TOKEN) as url:
        again = Simulated(url)
        assert await again.find(instruction) == first
        assert await again.send(instruction) == [first]
        assert len(await again.books()) == 1


async def test_the_statement_tells_what_was_paid_and_came_back(provider: Simulated) -> None:
    await provider.send(into_wallet("ok-1", 1), into_wallet("return-2", 2, 500), into_wallet("fail-3", 3))
    await provider.advance(86_400)
    data = (await provider.call("GET", "/statement")).content
    (statement,) = provider_statement.read(data, "wallet")
    lines = {(line.end_to_end_id, line.amount_minor, line.is_return) for line in statement.lines}
    assert lines == {("PO-1", -1230, False), ("PO-2", -500, False), ("PO-2", 500, True)}


def test_a_limit_is_the_settings(provider: Simulated) -> None:
    assert provider.wallet.limit_minor("EUR") == 100_000
    assert provider.wallet.limit_minor("SEK") is None


GOOD = (
    b'{"key": "%s", "id": "W1", "status": "paid", "occurred_at": "2026-03-30T12:00:00+00:00"}'
    % str(UUID(int=1)).encode()
)
NO_ANSWERS = {
    "nothing": b"",
    "no HTTP": b"hello",
    "an error page": b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno",
    "a proxy's not found": b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}",
    "a redirect": b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
    "half an answer": b'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"key"',
    "no JSON": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "a list": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
    "another key's": GOOD.replace(b"0001", b"0002"),
    "another word": GOOD.replace(b"paid", b"done"),
    "no word": GOOD.replace(b'"paid"', b"[1]"),
    "a time without offset": GOOD.replace(b"+00:00", b""),
    "no time": GOOD.replace(b'"2026-03-30T12:00:00+00:00"', b"17"),
    "a sum of bytes": GOOD.replace(b"W1", b"W" * 100_000),
    "broken text": GOOD.replace(b"W1", b"\xff"),
}


async def told(data: bytes, *, code: int = 200) -> Answer:
    """What is understood of a server that answers so."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if data.startswith(b"{"):
            writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (code, len(data)))
        writer.write(data)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        wallet = WalletProvider(f"http://127.0.0.1:{port}", TOKEN, limits={}, timeout_seconds=5)
        return await wallet.find(UUID(int=1))


@pytest.mark.parametrize("name", NO_ANSWERS)
async def test_what_is_not_the_providers_word_on_this_key_is_unknown(name: str) -> None:
    assert (await told(NO_ANSWERS[name])).status is TransferStatus.UNKNOWN


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (200, TransferStatus.PAID),
        (202, TransferStatus.PAID),
        (400, TransferStatus.UNKNOWN),
        (404, TransferStatus.UNKNOWN),
        (500, TransferStatus.UNKNOWN),
        (503, TransferStatus.UNKNOWN),
    ],
)
async def test_a_word_counts_only_with_a_code_that_goes_with_it(code: int, status: TransferStatus) -> None:
    assert (await told(GOOD, code=code)).status is status


async def test_a_word_is_kept_in_characters_that_can_be_shown() -> None:
    answer = await told(GOOD.replace(b"W1", b"W\\u00001\\n"))
    assert (answer.status, answer.provider_reference) == (TransferStatus.PAID, "W1")
