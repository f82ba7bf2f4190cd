"""A merchant's settlement in the isolation tests' world: one statement or payout for each mutation about one."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import update

from graphql_api.relay import encode_id
from merchantry.domain.case import CaseKind, Vote
from merchantry.domain.money import format_minor
from merchantry.domain.payout import Word
from merchantry.jobs.reconciliation import take_file
from merchantry.services import case, case_decision, payout, payout_list, reconciliation_list, statement
from merchantry.services.case import NewCase
from merchantry.services.payout import Told
from merchantry.tables.payout import payout as payout_table
from tenancy.database import MerchantSession
from tenancy.principals import Merchant
from tests.builders import NOON, an_act
from tests.graphql_api.mall import Mall
from tests.services.books import Shelf

WEEKS = 6
WEEK = timedelta(days=7)
LONG_AGO = NOON - timedelta(days=365)


async def settle(mall: Mall, merchant: Merchant, amount_minor: int) -> tuple[dict[str, dict[str, Any]], str, str]:
    """Six closed weeks, each paid; the subjects of mutations, and the numbers of a statement and a payout to read."""
    shelf, owner = Shelf(mall.database, merchant), merchant.id
    await shelf.add_account(usable_from=LONG_AGO, shown=f"•••• {merchant.slug}")
    for week in range(WEEKS, 0, -1):
        await shelf.release(amount_minor + week, NOON - week * WEEK, 1_000 + week)
    await shelf.close(NOON - timedelta(hours=1))
    act = an_act("system:test")
    async with mall.database.write("test") as tx, tx.as_merchant(owner) as session:
        statements = await statement.page(session, limit=WEEKS)
        payouts = {each.statement_id: each for each in await payout_list.page(session, limit=WEEKS)}
        planned = [payouts[each.id] for each in statements]
        failed, unknown = [await _begun(session, planned[at].id) for at in (3, 5)]
        await payout.hear_of(session, failed, Told(Word.REJECTED, reason=f"{merchant.slug} closed it"), act)
        await payout.hear_of(session, unknown, Told(Word.NOTHING), act)
        waits = payout_table.c.merchant_id == owner, payout_table.c.id == planned[2].id
        await session.execute(update(payout_table).where(*waits).values(release_above_minor=1))
    subjects: dict[str, dict[str, Any]] = {
        "statementAccept": {"statementId": encode_id("Statement", owner, statements[0].id)},
        "statementObject": {"statementId": encode_id("Statement", owner, statements[1].id)},
        "payoutRelease": {"payoutId": encode_id("Payout", owner, planned[2].id)},
        "payoutRetry": {"payoutId": encode_id("Payout", owner, planned[3].id)},
        "payoutCancel": {"payoutId": encode_id("Payout", owner, planned[4].id)},
        "payoutResolve": {"transferId": encode_id("PayoutTransfer", owner, unknown)},
    }
    subjects["caseReopen"] = {"caseId": encode_id("Case", owner, await _rejected(mall, owner, planned[0]))}
    subjects |= await _lines(mall, merchant, f"{planned[5].number}-1-1", planned[5].amount_minor)
    return subjects, statements[0].number, planned[0].number


async def _rejected(mall: Mall, merchant_id: UUID, found: Any) -> UUID:
    """A review of a payout that somebody has rejected; the payout is still planned."""
    new = NewCase(CaseKind.REVIEW, merchant_id, "Payout", str(found.id), f"The payout {found.number} is held")
    async with mall.database.write("test") as tx:
        async with tx.as_platform() as session:
            case_id = await case.open_case(session, new, an_act("system:review"))
        await case_decision.decide(
            tx, merchant_id, case_id, Vote.REJECT, "odd", an_act(f"platform:{uuid4()}"), effects={}
        )
    return case_id


async def _begun(session: MerchantSession, payout_id: UUID) -> UUID:
    (transfer,) = await payout.begin(session, payout_id, None, an_act("system:test"))
    await payout.mark_asked(session, [transfer.key], an_act("system:test"))
    return transfer.key


async def _lines(mall: Mall, merchant: Merchant, transfer: str, amount_minor: int) -> dict[str, dict[str, Any]]:
    """Two lines that no rule could match: one that a person knows the transfer of, and one of nobody's."""
    rows = (f"-{format_minor(amount_minor, 'BRL')},BRL,{merchant.slug}-typo,W1,payout", "-1.00,BRL,,W2,fee")
    file = "\n".join(["date,amount,currency,reference,provider_reference,kind", *(f"2026-03-01,{row}" for row in rows)])
    account = f"{merchant.slug} wallet"
    await take_file(mall.database, file.encode(), an_act("system:test"), account=account)
    async with mall.database.read("test") as tx, tx.as_platform() as session:
        statements = await reconciliation_list.statements(session, limit=10)
        (taken,) = [each for each in statements if each.account == account]
        lines = await reconciliation_list.lines(session, limit=2, statement_id=taken.id)
    unknown, fee = (encode_id("BankLine", taken.id, UUID(int=at)) for at in sorted(each.position for each in lines))
    return {"bankLineMatch": {"line": unknown, "transfer": transfer}, "bankLineDismiss": {"line": fee}}
