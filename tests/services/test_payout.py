"""A payout's money is reserved before anybody is asked, and booked once whatever is heard of it."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update

from merchantry.domain.case import CaseKind, CaseStatus
from merchantry.domain.errors import NotFound, OwnAct, PayoutRefused
from merchantry.domain.payout import PayoutStatus, TransferState, Word
from merchantry.services import case_list, payee, payee_review, payout, payout_outcome
from merchantry.services.payout import Payout, Told, Transfer
from merchantry.tables.merchant_settlement import payee_account
from merchantry.tables.platform import mall
from tenancy.database import Database
from tests.builders import an_act
from tests.services.books import Shelf, a_shelf
from tests.services.test_settlement import local, payouts

WEEKS_END = local(2026, 3, 9)
LATER = an_act("system:worker", WEEKS_END + timedelta(hours=1))


async def a_planned_payout(database: Database, amount_minor: int = 500) -> tuple[Shelf, UUID]:
    shelf = await a_shelf(database)
    await shelf.add_account()
    await shelf.sell(amount_minor, local(2026, 3, 3))
    await shelf.close(WEEKS_END)
    return shelf, (await payouts(shelf))[0].id


async def begin(shelf: Shelf, payout_id: UUID, limit_minor: int | None = None) -> list[Transfer]:
    async with shelf.database.write("test") as tx, tx.as_merchant(shelf.merchant.id) as session:
        transfers = await payout.begin(session, payout_id, limit_minor, LATER)
        await payout.mark_asked(session, [each.key for each in transfers], LATER)
        return transfers


async def hear(shelf: Shelf, key: UUID, word: Word, **facts: Any) -> Payout:
    async with shelf.database.write("test") as tx, tx.as_merchant(shelf.merchant.id) as session:
        found, _ = await payout.hear_of(session, key, Told(word, **facts), LATER)
        return found


async def test_a_payout_goes_out_under_the_same_keys_however_often_it_is_begun(database: Database) -> None:
    shelf, payout_id = await a_planned_payout(database)
    first = await begin(shelf, payout_id)
    again = await begin(shelf, payout_id)
    assert [each.key for each in first] == [each.key for each in again]
    assert [each.amount_minor for each in first] == [500]


async def test_a_limit_per_transfer_makes_several_transfers_of_one_payout(database: Database) -> None:
    shelf, payout_id = await a_planned_payout(database)
    transfers = await begin(shelf, payout_id, 200)
    assert [each.amount_minor for each in transfers] == [200, 200, 100]
    assert len({each.reference for each in transfers}) == 3
    for each in transfers[:2]:
        found = await hear(shelf, each.key, Word.PAID)
    assert (found.status, found.paid_minor) == (PayoutStatus.SENDING, 400)
    found = await hear(shelf, transfers[2].key, Word.PAID)
    assert (found.status, found.paid_minor) == (PayoutStatus.PAID, 500)
    assert (await shelf.balances())["paid_out"] == 500


async def test_hearing_twenty_times_at_once_that_it_was_paid_books_it_once(database: Database) -> None:
    shelf, payout_id = await a_planned_payout(database)
    [transfer] = await begin(shelf, payout_id)
    await asyncio.gather(*(hear(shelf, transfer.key, Word.PAID) for _ in range(20)))
    balances = await shelf.balances()
    assert (balances["paid_out"], balances.get("in_payout", 0)) == (500, 0)
    assert (await shelf.kinds()).count("payout_paid") == 1


async def test_silence_keeps_the_money_reserved_until_there_is_a_definite_answer(database: Database) -> None:
    shelf, payout_id = await a_planned_payout(database)
    [transfer] = await begin(shelf, payout_id)
    found = await hear(shelf, transfer.key, Word.NOTHING)
    assert found.status is PayoutStatus.UNKNOWN
    assert (await shelf.balances())["in_payout"] == 500
    assert await begin(shelf, payout_id) == []
    async with database.write("test") as tx, tx.as_merchant(shelf.merchant.id) as session:
        for refused in (payout.retry(session, payout_id, LATER), payout.cancel(session, payout_id, "no", LATER)):
            with pytest.raises(PayoutRefused):
                await refused
    assert (await hear(shelf, transfer.key, Word.PAID)).status is PayoutStatus.PAID


async def test_a_person_resolves_an_unknown_outcome_with_evidence(database: Database) -> None:
    shelf, payout_id = await a_planned_payout(database)
    [transfer] = await begin(shelf, payout_id)
    await hear(shelf, transfer.key, Word.NOTHING)
    async with database.write("test") as tx, tx.as_merchant(shelf.merchant.id) as session:
        found, _ = await payout.resolve(
            session, transfer.key, Word.REJECTED, {"call": "the bank has no trace of it"}, LATER
        )
        assert found.status is PayoutStatus.FAILED
        with pytest.raises(PayoutRefused):
            await payout.resolve(session, transfer.key, Word.PAID, {}, LATER)


async def test_after_a_definite_failure_a_new_attempt_has_a_new_key(database: Database) -> None:
    shelf, payout_id = await a_planned_payout(database)
    [first] = await begin(shelf, payout_id)
    assert (await hear(shelf, first.key, Word.REJECTED, reason="account closed")).failure == "account closed"
    async with database.write("test") as tx, tx.as_merchant(shelf.merchant.id) as session:
        assert (await payout.retry(session, payout_id, LATER)).status is PayoutStatus.SENDING
    [second] = await begin(shelf, payout_id)
    assert (second.attempt, second.amount_minor) == (2, 500)
    assert second.key != first.key
    assert (await hear(shelf, second.key, Word.PAID)).paid_minor == 500


async def test_what_failed_can_be_given_up_and_is_paid_with_the_next_statement(database: Database) -> None:
    shelf, payout_id = await a_planned_payout(database)
    [transfer] = await begin(shelf, payout_id)
    await hear(shelf, transfer.key, Word.REJECTED)
    async with database.write("test") as tx, tx.as_merchant(shelf.merchant.id) as session:
        assert (await payout.cancel(session, payout_id, "wrong account", LATER)).status is PayoutStatus.CANCELLED
    assert (await shelf.balances())["merchant_available"] == 500
    await shelf.close(local(2026, 3, 16))
    assert [(row.status, row.amount_minor) for row in await payouts(shelf)] == [("cancelled", 500), ("planned", 500)]


async def test_a_returned_payout_is_available_again_and_its_account_is_flagged(database: Database) -> None:
    shelf, payout_id = await a_planned_payout(database)
    [transfer] = await begin(shelf, payout_id)
    await hear(shelf, transfer.key, Word.PAID)
    found = await hear(shelf, transfer.key, Word.RETURNED, reason="AC04 account closed")
    assert (found.status, found.paid_minor, found.returned_minor) == (PayoutStatus.RETURNED, 500, 500)
    balances = await shelf.balances()
    assert (balances["merchant_available"], balances.get("paid_out", 0)) == (500, 0)
    async with database.read("test") as tx, tx.as_merchant(shelf.merchant.id) as session:
        account = (await session.execute(select(payee_account))).one()
    assert (account.status, account.flagged) == ("flagged", "AC04 account closed")
    first = await shelf.statements()
    await shelf.close(local(2026, 3, 16))
    assert first == (await shelf.statements())[:1]
    assert len(await payouts(shelf)) == 1


async def test_a_payout_above_the_limit_waits_for_a_second_person(database: Database) -> None:
    async with database.write("test") as tx, tx.as_platform() as platform:
        await platform.execute(update(mall).values(release_above_minor={"BRL": 499}))
    shelf, payout_id = await a_planned_payout(database)
    assert await begin(shelf, payout_id) == []
    async with database.write("test") as tx, tx.as_merchant(shelf.merchant.id) as session:
        with pytest.raises(OwnAct):
            await payout.release(session, payout_id, an_act("system:test"))
        released = await payout.release(session, payout_id, an_act("platform:second"))
        assert released.released_by == "platform:second"
        with pytest.raises(PayoutRefused):
            await payout.release(session, payout_id, an_act("platform:third"))
    assert len(await begin(shelf, payout_id)) == 1


async def test_a_word_against_a_definite_one_changes_nothing(database: Database) -> None:
    shelf, payout_id = await a_planned_payout(database)
    [transfer] = await begin(shelf, payout_id)
    await hear(shelf, transfer.key, Word.REJECTED)
    async with database.write("test") as tx, tx.as_merchant(shelf.merchant.id) as session:
        found, heard = await payout.hear_of(session, transfer.key, Told(Word.PAID), LATER)
    assert (found.status, heard.contradicts, heard.state) == (PayoutStatus.FAILED, True, TransferState.REJECTED)
    assert "payout_paid" not in await shelf.kinds()


async def test_a_provider_that_contradicts_what_is_certain_is_a_case_and_books_nothing(database: Database) -> None:
    shelf, payout_id = await a_planned_payout(database)
    [transfer] = await begin(shelf, payout_id)
    await hear(shelf, transfer.key, Word.REJECTED)
    for _ in range(2):
        async with database.write("test") as tx:
            told = Told(Word.PAID, "WTX-17")
            await payout_outcome.hear_from_provider(tx, shelf.merchant.id, transfer.key, told, LATER)
    async with database.read("test") as tx, tx.as_platform() as session:
        [found] = await case_list.page(session, limit=10, kinds=[CaseKind.BANK_DIFFERENCE])
    assert (found.subject_kind, found.subject_id, found.status) == ("Transfer", str(transfer.key), CaseStatus.OPEN)
    assert "says paid" in found.title
    assert "rejected for certain" in found.title
    assert "payout_paid" not in await shelf.kinds()


async def test_the_case_of_a_returned_payout_ends_once_somebody_has_seen_to_the_account(database: Database) -> None:
    shelf, payout_id = await a_planned_payout(database)
    [transfer] = await begin(shelf, payout_id)
    await hear(shelf, transfer.key, Word.PAID)
    found = await hear(shelf, transfer.key, Word.RETURNED, reason="AC04 account closed")

    async def standing() -> list[tuple[str, str]]:
        async with database.write("test") as tx:
            await payee_review.end_cases(tx, shelf.merchant.id, LATER)
            async with tx.as_platform() as session:
                cases = await case_list.page(session, limit=10, kinds=[CaseKind.PAYOUT_RETURNED])
        return [(each.status.value, each.reason or "") for each in cases]

    assert await standing() == [("open", "")]
    async with database.write("test") as tx, tx.as_merchant(shelf.merchant.id) as session:
        await payee.unflag_account(session, found.payee_account_id, LATER)
    [(status, reason)] = await standing()
    assert status == "settled"
    assert "seen to the account" in reason


async def test_a_payout_of_another_merchant_is_not_found(database: Database) -> None:
    shelf, payout_id = await a_planned_payout(database)
    [transfer] = await begin(shelf, payout_id)
    other, own_id = await a_planned_payout(database)
    async with database.write("test") as tx, tx.as_merchant(other.merchant.id) as session:
        assert (await payout.locked(session, own_id)).id == own_id
        for act in (
            payout.locked(session, payout_id),
            payout.release(session, payout_id, LATER),
            payout.cancel(session, payout_id, "mine now", LATER),
            payout.hear_of(session, transfer.key, Told(Word.PAID), LATER),
        ):
            with pytest.raises(NotFound):
                await act
