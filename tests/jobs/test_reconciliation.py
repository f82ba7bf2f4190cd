"""Payouts in bank files, and the bank's answers: every line finds its transfer, and what does not is a case."""

from decimal import Decimal
from importlib.resources import files
from pathlib import Path

import pytest
import xmlschema

from merchantry.domain.errors import BankFileInvalid
from merchantry.gateways.iso20022 import pain001
from merchantry.services import sealing, winding_up
from tenancy.database import Database
from tests.builders import an_act
from tests.gateways.papers import Entry, camt053, pain002
from tests.jobs.paying import Desk
from tests.services.books import Shelf

RETURNED = "<RtrInf><Rsn><Cd>AC04</Cd></Rsn></RtrInf>"
XSD = xmlschema.XMLSchema((files("sepaxml") / "schemas" / "pain.001.001.09.xsd").read_text())


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Desk:
    return Desk(database, tmp_path)


async def sent(desk: Desk, *amounts: int) -> tuple[list[Shelf], Path]:
    """Payouts of several merchants in one file."""
    shelves = [await desk.a_shelf(amount) for amount in amounts]
    await desk.work()
    await desk.work(minutes=1)
    [path] = (desk.directory / "bank" / "outbox").iterdir()
    return shelves, path


def answered(file: bytes) -> bytes:
    """The bank's statement after it did what a file says: a line for each transfer, told from the file alone."""
    document = XSD.to_dict(xmlschema.XMLResource(file.decode()))
    [block] = document["CstmrCdtTrfInitn"]["PmtInf"]  # type: ignore[index,call-overload]
    lines = [(each["PmtId"]["EndToEndId"], Decimal(str(each["Amt"]["InstdAmt"]["$"]))) for each in block["CdtTrfTxInf"]]
    total = sum(amount for _, amount in lines)
    entries = [Entry(f"{amount:.2f}", parts=[(reference, f"{amount:.2f}")]) for reference, amount in lines]
    return camt053(entries, "1000.00", f"{1000 - total:.2f}")


async def test_a_statement_that_answers_our_file_reconciles_completely(desk: Desk) -> None:
    shelves, path = await sent(desk, 500, 12_345, 1)
    file = path.read_bytes()
    XSD.validate(file.decode())
    assert [await desk.status(shelf) for shelf in shelves] == [("sent", 0)] * 3
    result = await desk.reconcile(answered(file))
    assert (result.statements, result.lines, result.matched) == (1, 3, 3)
    assert (result.unmatched, result.cases) == (0, [])
    assert [await desk.status(shelf) for shelf in shelves] == [("paid", 500), ("paid", 12_345), ("paid", 1)]


async def test_the_same_statement_again_changes_nothing(desk: Desk) -> None:
    [shelf], path = await sent(desk, 500)
    statement = answered(path.read_bytes())
    await desk.reconcile(statement)
    entries = await shelf.kinds()
    again = await desk.reconcile(statement)
    assert (again.statements, again.repeated, again.lines, again.matched) == (0, 1, 0, 0)
    assert await shelf.kinds() == entries


async def test_a_status_report_rejects_one_transfer_and_the_statement_pays_the_other(desk: Desk) -> None:
    shelves, path = await sent(desk, 500, 700)
    refused, paid = shelves
    [reference] = await desk.references(refused)
    word = f"<OrgnlEndToEndId>{reference}</OrgnlEndToEndId><TxSts>RJCT</TxSts>"
    result = await desk.reconcile(pain002(transfers=[word], message=path.stem))
    assert result.answers == 1
    assert await desk.status(refused) == ("failed", 0)
    [other] = await desk.references(paid)
    await desk.reconcile(camt053([Entry("7.00", parts=[(other, "7.00")])], "1000.00", "993.00"))
    assert await desk.status(paid) == ("paid", 700)


async def test_a_line_of_another_amount_is_a_case_and_books_nothing(desk: Desk) -> None:
    [shelf], _ = await sent(desk, 500)
    [reference] = await desk.references(shelf)
    result = await desk.reconcile(camt053([Entry("4.99", parts=[(reference, "4.99")])], "1000.00", "995.01"))
    assert (result.matched, result.unmatched, len(result.cases)) == (0, 1, 1)
    assert await desk.status(shelf) == ("sent", 0)
    [(kind, title)] = await desk.cases()
    assert kind == "bank_difference"
    expected = f"{reference} was of -5.00 EUR; the bank took 0.01 EUR less than it should have."
    assert title == f"Bank line of -4.99 EUR: The transfer {expected}"


async def test_a_line_that_nobody_knows_is_kept_and_is_a_case(desk: Desk) -> None:
    result = await desk.reconcile(camt053([Entry("3.00", parts=[("UNKNOWN-1", "3.00")])], "1000.00", "997.00"))
    assert (result.unmatched, len(result.cases)) == (1, 1)


async def test_paid_twice_by_the_bank_is_a_case(desk: Desk) -> None:
    [shelf], path = await sent(desk, 500)
    await desk.reconcile(answered(path.read_bytes()))
    [reference] = await desk.references(shelf)
    result = await desk.reconcile(camt053([Entry("5.00", parts=[(reference, "5.00")])], "995.00", "990.00"))
    assert (result.matched, result.unmatched, len(result.cases)) == (0, 1, 1)
    assert (await shelf.kinds()).count("payout_paid") == 1


async def test_a_transfer_that_no_statement_shows_in_time_is_a_case_once(desk: Desk) -> None:
    await sent(desk, 500)
    nothing = camt053([], "1000.00", "1000.00")
    assert (await desk.reconcile(nothing)).cases == []
    await desk.work(minutes=60 * 24 * 6)
    assert len((await desk.reconcile(nothing)).cases) == 1
    assert len(await desk.cases()) == 1


async def test_a_broken_file_is_refused_whole(desk: Desk) -> None:
    with pytest.raises(BankFileInvalid):
        await desk.reconcile(camt053([Entry("3.00", parts=[("X", "3.00")])], "1000.00", "1000.00"))
    assert await desk.cases() == []


async def test_a_batch_that_is_sent_again_is_the_same_file(desk: Desk) -> None:
    _, path = await sent(desk, 500)
    before = path.read_bytes()
    assert pain001.batch_of(path.stem)
    await desk.work(minutes=60)
    assert [each.read_bytes() for each in path.parent.iterdir()] == [before]


async def test_money_of_a_closed_merchant_that_comes_back_is_a_case_until_its_books_are_opened(desk: Desk) -> None:
    [shelf], path = await sent(desk, 500)
    await desk.reconcile(answered(path.read_bytes()))
    owner, merchant = desk.database.logins.owner, shelf.merchant
    async with desk.database.write("test") as tx, tx.as_platform() as session:
        await winding_up.begin(session, merchant.id, "retires", an_act(at=desk.now))
    assert sealing.seal(owner, merchant.id, lambda: True, an_act(at=desk.now))
    [reference] = await desk.references(shelf)
    back = camt053([Entry("5.00", parts=[(reference, "5.00")], side="CRDT", within=RETURNED)], "995.00", "1000.00")

    refused = await desk.reconcile(back)
    assert (refused.returned, refused.unmatched, len(refused.cases)) == (0, 1, 1)
    assert "closed" in (await desk.cases())[0][1]

    sealing.reopen(owner, merchant.id, "money came back", an_act(at=desk.now))
    again = await desk.reconcile(back)
    assert (again.returned, again.unmatched) == (1, 0)
    assert (await desk.status(shelf))[0] == "returned"
