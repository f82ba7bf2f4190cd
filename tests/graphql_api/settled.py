"""A mall whose merchants have been settled with: statements, payouts, and people who look at them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from merchantry.domain.payout import Word
from merchantry.domain.permission import MerchantRole, PlatformRole
from merchantry.services import payout, payout_outcome
from merchantry.services.payout import Told
from tests.builders import a_merchant, an_act
from tests.graphql_api.documents import PROBLEM
from tests.graphql_api.mall import Mall
from tests.services.books import Shelf
from tests.services.test_settlement import local

WEEKS_END = local(2026, 3, 9)
PEOPLE = {
    "adam": PlatformRole.ADMIN,
    "fin": PlatformRole.FINANCE,
    "flo": PlatformRole.FINANCE,
    "rev": PlatformRole.REVIEWER,
    "aud": PlatformRole.AUDITOR,
}
"""The platform's, by name."""


@dataclass
class Settled:
    """A mall with a merchant whose first week brought 125.00, of which 12.50 are commission, and one beside it."""

    mall: Mall
    shelf: Shelf
    other: Shelf

    async def ask(self, document: str, who: str, **variables: Any) -> dict[str, Any]:
        """What ``merchant`` or ``platform`` answers: as its own merchant's staff, or as the platform's people."""
        merchant = None if who in PEOPLE else "shop"
        data = (await self.mall.ask(document, variables, who=who, merchant=merchant)).data
        found: dict[str, Any] = data.get("merchant") or data["platform"]
        return found

    async def do(self, name: str, who: str, shown: str = "__typename", **given: Any) -> dict[str, Any]:
        """A mutation with an idempotency key where it takes one; its result's fields, or its problem."""
        answer = await self.mall.ask(
            a_mutation(name, shown), {"input": given}, who=who, merchant=None if who in PEOPLE else "shop"
        )
        found: dict[str, Any] = answer.data[name]
        return found

    async def statement(self) -> dict[str, Any]:
        """The first statement."""
        found: dict[str, Any] = (await self.ask(FIRST, "olga"))["statements"]["nodes"][0]
        return found

    async def payout(self) -> dict[str, Any]:
        """The latest payout, as the platform sees it."""
        found: dict[str, Any] = (await self.ask(LATEST, "fin"))["payouts"]["nodes"][0]
        return found

    async def begin(self, payout_id: UUID, *words: Word) -> list[UUID]:
        """Ask for a payout's transfers, of which the first hears these words; returns their keys."""
        act = an_act("system:worker", self.mall.clock())
        async with self.mall.database.write("test") as tx, tx.as_merchant(self.shelf.merchant.id) as session:
            keys = [each.key for each in await payout.begin(session, payout_id, None, act)]
            await payout.mark_asked(session, keys, act)
            for word in words:
                await payout.hear_of(session, keys[0], Told(word, reason="as the bank says"), act)
        return keys

    async def silence(self, transfer: UUID) -> None:
        """The provider has been asked again, and did not answer."""
        act = an_act("system:worker", self.mall.clock())
        async with self.mall.database.write("test") as tx:
            await payout_outcome.hear(tx, self.shelf.merchant.id, transfer, Told(Word.NOTHING), act)


FIRST = "{ merchant { statements(first: 1) { nodes { id number status payouts { id number } } } } }"
LATEST = "{ platform { payouts(first: 1) { nodes { payoutId number status transfers { id status } } } } }"
INPUTS = {"payoutRelease": "PayoutInput", "payoutRetry": "PayoutInput"}
SUCCESSES: Mapping[str, str] = {
    "statementAccept": "StatementAccepted",
    "statementObject": "StatementObjected",
    "payoutRelease": "PayoutReleased",
    "payoutRetry": "PayoutRetried",
    "payoutCancel": "PayoutCancelled",
    "payoutResolve": "PayoutResolved",
    "payoutReleaseLimitSet": "PayoutReleaseLimitSet",
    "settlementRun": "SettlementRunStarted",
    "settlementScheduleChange": "SettlementScheduleChanged",
    "settlementTermsSet": "SettlementTermsSet",
    "caseDecide": "CaseDecided",
}


def a_mutation(name: str, shown: str) -> str:
    """The mutation, showing these fields of what it answers."""
    given = INPUTS.get(name, name[0].upper() + name[1:] + "Input")
    return f"""mutation ($input: {given}!) {{
      {name}(input: $input) {{ __typename ... on {SUCCESSES[name]} {{ {shown} }} {PROBLEM} }} }}"""


def key() -> str:
    """A new idempotency key."""
    return str(uuid4())


async def open_settled(mall: Mall) -> Settled:
    """Two merchants with an account and a closed week each; the day after it."""
    shelves = []
    for slug in ("shop", "other"):
        shelf = Shelf(mall.database, await a_merchant(mall.database, slug))
        await shelf.add_account(shown=f"•••• {slug}")
        await shelf.sell(11_250, local(2026, 3, 3), 1_250)
        await shelf.close(WEEKS_END)
        shelves.append(shelf)
    for name, role in (("olga", "owner"), ("mia", "manager"), ("acc", "accountant"), ("vic", "viewer")):
        await mall.hire(name, shelves[0].merchant, MerchantRole(role))
    await mall.hire("otto", shelves[1].merchant, MerchantRole.OWNER)
    for name, platform_role in PEOPLE.items():
        await mall.appoint(name, platform_role)
    mall.clock.now = WEEKS_END + timedelta(days=1)
    return Settled(mall, *shelves)
