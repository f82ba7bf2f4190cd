"""Payouts through a wallet provider that runs, however it behaves: the money moves once, and everybody knows."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from merchantry.jobs.payouts import batch_job
from merchantry.services import payout, payout_batch, payout_list, payout_outcome, queue
from merchantry.tables.platform import NOBODY
from merchantry.wallet_simulator.running import running
from tenancy.database import Database
from tests.builders import an_act
from tests.jobs.paying import PATIENCE_SECONDS, TOKEN, Desk
from tests.services.test_settlement import payouts


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Iterator[Desk]:
    with running(tmp_path / "books.sqlite", token=TOKEN, slow_seconds=2 * PATIENCE_SECONDS) as url:
        yield Desk(database, tmp_path, url)


async def moved(desk: Desk) -> list[tuple[str, str]]:
    """Amount and status of every transfer that the provider ever took."""
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {TOKEN}"}) as client:
        found = (await client.get(f"{desk.wallet_url}/transfers")).json()
    return [(each["amount"], each["status"]) for each in found]


async def test_a_payout_is_planned_sent_and_paid(desk: Desk) -> None:
    shelf = await desk.a_shelf(wallet_id="ok-1")
    assert await desk.status(shelf) == ("planned", 0)
    await desk.work()
    assert await desk.status(shelf) == ("paid", 500)
    assert await moved(desk) == [("5.00", "paid")]


@pytest.mark.parametrize("behaviour", ["slow", "drop", "error_after"])
async def test_a_payout_that_timed_out_after_the_bank_took_it_is_unknown_then_paid_and_paid_once(
    desk: Desk, behaviour: str
) -> None:
    shelf = await desk.a_shelf(wallet_id=f"{behaviour}-1")
    await desk.work()
    assert await desk.status(shelf) == ("unknown", 0)
    assert await moved(desk) == [("5.00", "paid")]
    await desk.work(minutes=5)
    assert await desk.status(shelf) == ("paid", 500)
    assert await moved(desk) == [("5.00", "paid")]


async def test_a_provider_that_fails_for_an_hour_without_taking_it_is_asked_again_and_a_person_told(
    desk: Desk,
) -> None:
    shelf = await desk.a_shelf(wallet_id="error-1")
    for _ in range(12):
        await desk.work(minutes=15)
    status, paid_minor = await desk.status(shelf)
    assert (status, paid_minor) == ("unknown", 0)
    assert await moved(desk) == []
    assert [kind for kind, _ in await desk.cases()] == ["payout_unknown"]
    assert await desk.ended_cases() == []


async def test_an_answer_that_comes_after_all_settles_the_case_that_waited_for_it(desk: Desk) -> None:
    shelf = await desk.a_shelf(wallet_id="error-1")
    for _ in range(12):
        await desk.work(minutes=15)
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {TOKEN}"}) as client:
        await client.put(f"{desk.wallet_url}/control/wallets/error-1", json={"behaviour": "ok"})
    await desk.work(minutes=300)
    assert await desk.status(shelf) == ("paid", 500)
    assert await desk.ended_cases() == [("payout_unknown", "settled", "The answer came: paid.")]


async def test_a_definite_failure_is_a_case_and_a_new_attempt_has_another_key(desk: Desk) -> None:
    shelf = await desk.a_shelf(wallet_id="fail-1")
    await desk.work()
    assert await desk.status(shelf) == ("failed", 0)
    assert [kind for kind, _ in await desk.cases()] == ["payout_failed"]
    act = an_act("platform:finance", desk.now)
    async with desk.database.write("test") as tx:
        await payout_outcome.retry(tx, shelf.merchant.id, (await payouts(shelf))[0].id, act)
    reason = "What failed is tried again, under new keys."
    assert await desk.ended_cases() == [("payout_failed", "settled", reason)]
    await desk.work()
    assert len(await desk.references(shelf)) == 2
    assert await moved(desk) == [("5.00", "rejected"), ("5.00", "rejected")]


async def test_a_delayed_payout_is_sent_until_the_provider_says_that_it_is_paid(desk: Desk) -> None:
    shelf = await desk.a_shelf(wallet_id="delay-1")
    await desk.work()
    assert await desk.status(shelf) == ("sent", 0)
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {TOKEN}"}) as client:
        await client.post(f"{desk.wallet_url}/control/clock", json={"advance_seconds": 3_600})
    await desk.work(minutes=5)
    assert await desk.status(shelf) == ("paid", 500)


async def test_a_returned_payout_comes_in_with_the_providers_statement(desk: Desk) -> None:
    shelf = await desk.a_shelf(wallet_id="ok-1")
    await desk.work()
    [reference] = await desk.references(shelf)
    header = "date,amount,currency,reference,provider_reference,kind\n"
    line = f"2026-03-10,-5.00,EUR,{reference},x1,payout\n"
    result = await desk.reconcile((header + line).encode())
    assert (result.matched, result.unmatched, result.cases) == (1, 0, [])
    result = await desk.reconcile((header + line + f"2026-03-12,5.00,EUR,{reference},x2,return\n").encode())
    assert (result.returned, result.unmatched, len(result.cases)) == (1, 1, 1)
    assert await desk.status(shelf) == ("returned", 500)
    assert {kind for kind, _ in await desk.cases()} == {"payout_returned", "bank_difference"}


async def test_without_a_provider_a_payout_waits_and_goes_out_once_there_is_one(desk: Desk) -> None:
    shelf = await desk.a_shelf(wallet_id="ok-1")
    url, desk.wallet_url = desk.wallet_url, ""
    await desk.work()
    assert await desk.status(shelf) == ("planned", 0)
    desk.wallet_url = url
    await desk.work(minutes=5)
    assert await desk.status(shelf) == ("paid", 500)


async def test_a_key_that_the_provider_has_with_other_content_is_a_case_and_nobody_asks_again(desk: Desk) -> None:
    shelf = await desk.a_shelf(wallet_id="ok-1")
    (planned,) = await payouts(shelf)
    async with desk.database.write("test") as tx, tx.as_merchant(shelf.merchant.id) as session:
        (transfer,) = await payout.begin(session, planned.id, None, an_act("system:worker", desk.now))
    other = {"amount": "4.00", "currency": "EUR", "wallet_id": "ok-2", "reference": "OTHER"}
    headers = {"Authorization": f"Bearer {TOKEN}", "Idempotency-Key": str(transfer.key)}
    async with httpx.AsyncClient(headers=headers) as client:
        assert (await client.post(f"{desk.wallet_url}/transfers", json=other)).status_code == 201
    assert await desk.work() == 1
    assert await desk.status(shelf) == ("unknown", 0)
    assert [kind for kind, _ in await desk.cases()] == ["payout_unknown"]
    assert await desk.work(minutes=600) == 0
    assert await desk.status(shelf) == ("unknown", 0)


async def test_a_file_that_went_out_with_other_bytes_is_a_case_of_each_payout_in_it(desk: Desk) -> None:
    shelves = [await desk.a_shelf(amount) for amount in (500, 700)]
    act = an_act("system:worker", desk.now)
    async with desk.database.write("test") as tx:
        for shelf in shelves:
            async with tx.as_merchant(shelf.merchant.id) as session:
                await payout.begin(session, (await payout_list.page(session, limit=1))[0].id, None, act)
        (batch_id,) = await payout_batch.gather(tx, "bank", act)
    written = desk.directory / "bank" / "written"
    written.mkdir(parents=True)
    (written / f"{batch_id.hex}.xml").write_text("something else")
    async with desk.database.write("test") as tx, tx.as_platform() as platform:
        await queue.enqueue(platform, NOBODY, queue.JobKind.PAYOUT_BATCH, batch_job("bank"), desk.now)
    await desk.work(minutes=1)
    assert [await desk.status(shelf) for shelf in shelves] == [("unknown", 0)] * 2
    assert [kind for kind, _ in await desk.cases()] == ["payout_unknown"] * 2
    assert await desk.work(minutes=600) == 0
