"""The real mall, and what happens to money after the sale: refunds, chargebacks, payouts, debts."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import insert

from merchantry.domain.case import Vote
from merchantry.domain.commission import parse_plan
from merchantry.domain.errors import MarketError
from merchantry.domain.payout import Word
from merchantry.domain.refund import Asked
from merchantry.services import chargeback, commission, debt, payee, payout, refund
from merchantry.services.case import Case
from merchantry.services.case_decision import decide
from merchantry.services.case_effects import EFFECTS
from merchantry.services.chargeback import NewChargeback
from merchantry.services.idempotency import Request, claim, fingerprint
from merchantry.services.payout import Payout, Told
from merchantry.services.refund import NewRefund
from merchantry.tables.merchant_settlement import payee_account
from tenancy.database import Database, MerchantSession, Transaction
from tests.builders import NOON, VAULT, a_buyer, a_product, a_shop, an_act, some_merchants
from tests.model.mall import Command, Mall

PLAN = {"name": "p", "currency": "BRL", "base": "goods", "hold_days": 2, "default": {"rate_bps": 1250}}
STOCK = 90_000
REASON = "told by the model"


class World(Mall):
    """A mall, and everybody who has to do with its money. ``at_once`` is how often a command is sent at a moment."""

    async def refund(
        self, merchant_id: UUID, order_id: UUID, asked: Asked | None, at_once: int = 1
    ) -> list[UUID | MarketError]:
        """A refund of what is asked, or of everything; several are several refunds."""

        def create(new: NewRefund) -> Command[UUID]:
            return lambda tx: refund.create(tx, merchant_id, new, self.act())

        return await self.together([create(NewRefund(order_id, REASON, asked)) for _ in range(at_once)])

    async def refund_with_key(
        self, merchant_id: UUID, order_id: UUID, asked: Asked, at_once: int
    ) -> list[UUID | MarketError]:
        """One refund, asked for under one key at the same moment and once more later, as a client repeats it."""
        request = Request(str(uuid4()), "refundCreate", fingerprint("refundCreate", str(asked)))

        async def create(tx: Transaction) -> UUID:
            new = NewRefund(order_id, REASON, asked)
            async with tx.as_merchant(merchant_id) as session:
                first = await claim(session, merchant_id, self.act(), request, new.id)
            return first or await refund.create(tx, merchant_id, new, self.act())

        return [*await self.together([create] * at_once), *await self.together([create])]

    async def open_chargeback(self, merchant_id: UUID, new: NewChargeback) -> None:
        """The bank takes a payment back, or asks again."""
        act = self.act("platform:bank")
        await self.database.run("test", lambda tx: chargeback.open_(tx, merchant_id, new, act))

    async def end_chargeback(
        self, merchant_id: UUID, chargeback_id: UUID, *, is_won: bool, at_once: int
    ) -> list[MarketError | None]:
        """The bank has decided, and says so."""
        end, act = (chargeback.win if is_won else chargeback.lose), self.act("platform:bank")
        return await self.together([lambda tx: end(tx, merchant_id, chargeback_id, act)] * at_once)

    async def propose_write_off(self, merchant_id: UUID) -> UUID:
        """Somebody asks two others to give up what a merchant owes. Returns the case."""
        act = self.act("platform:asks")
        return await self.database.run("test", lambda tx: debt.propose_write_off(tx, merchant_id, "BRL", REASON, act))

    async def approve(self, merchant_id: UUID, case_id: UUID, *people: str) -> list[Case | MarketError]:
        """These people say yes at the same moment."""

        def vote(person: str) -> Command[Case]:
            act = self.act(f"platform:{person}")
            return lambda tx: decide(tx, merchant_id, case_id, Vote.APPROVE, "seen", act, effects=EFFECTS)

        return await self.together([vote(person) for person in people])

    async def hear(self, merchant_id: UUID, payout_id: UUID, word: Word, at_once: int = 1) -> None:
        """A payout is begun where it was not, and then this word is heard of its transfer."""

        async def begin(session: MerchantSession) -> UUID:
            act = self.act()
            await payout.mark_asked(
                session, [each.key for each in await payout.begin(session, payout_id, None, act)], act
            )
            return (await payout.latest(session, payout_id))[0].key

        key = await self.at(merchant_id, begin)
        told, act = Told(word, reason=REASON), self.act()
        heard = await self.together(
            [self.of(merchant_id, lambda session: payout.hear_of(session, key, told, act))] * at_once
        )
        assert not any(isinstance(each, MarketError) for each in heard), heard

    async def retry(self, merchant_id: UUID, payout_id: UUID, at_once: int) -> list[Payout | MarketError]:
        """What definitely failed is tried again."""
        return await self._of_payout(merchant_id, lambda s: payout.retry(s, payout_id, self.act()), at_once)

    async def give_up(self, merchant_id: UUID, payout_id: UUID, at_once: int) -> list[Payout | MarketError]:
        """What has not been paid is available again."""
        return await self._of_payout(merchant_id, lambda s: payout.cancel(s, payout_id, REASON, self.act()), at_once)

    async def resolve(self, merchant_id: UUID, payout_id: UUID, word: Word, at_once: int) -> list[Payout | MarketError]:
        """A person says what became of a payout that nobody answered for."""

        async def say(session: MerchantSession) -> Payout:
            [transfer] = await payout.latest(session, payout_id)
            evidence = {"text": "the bank's line"}
            return (await payout.resolve(session, transfer.key, word, evidence, self.act("platform:finance")))[0]

        return await self._of_payout(merchant_id, say, at_once)

    async def _of_payout(
        self, merchant_id: UUID, work: Callable[[MerchantSession], Awaitable[Payout]], at_once: int
    ) -> list[Payout | MarketError]:
        return await self.together([self.of(merchant_id, work)] * at_once)

    async def look_at_account(self, merchant_id: UUID) -> None:
        """Somebody has looked at the account that money came back from: it is as good as before."""

        async def unflag(session: MerchantSession) -> None:
            [account] = await payee.current_accounts(session)
            await payee.unflag_account(session, account.id, self.act("platform:finance"))

        await self.at(merchant_id, unflag)


async def a_world(database: Database) -> World:
    """Two new merchants in UTC, settled with weekly, with an account to pay to."""
    async with database.write("test") as tx, tx.as_platform() as session:
        await commission.install(session, "p", parse_plan(PLAN), NOON - timedelta(days=9), an_act())
    merchants = await some_merchants(database, *(a_shop(commission_plan="p", time_zone="UTC") for _ in range(2)))
    variants = {}
    for merchant in merchants:
        product = await a_product(database, merchant, on_hand=STOCK)
        variants[merchant.id] = product.variants[0].id
        async with database.write("test") as tx, tx.as_merchant(merchant.id) as merchant_session:
            await merchant_session.execute(insert(payee_account).values(_account()))
    return World(database, merchants, variants, await a_buyer(database), VAULT)


def _account() -> dict[str, Any]:
    return {
        "id": uuid4(),
        "kind": "bank",
        "currency": "BRL",
        "shown": "•••• 1234",
        "sealed": b"sealed",
        "status": "verified",
        "usable_from": NOON,
        "created_at": NOON,
        "created_by": "staff:model",
        "verified_at": NOON,
        "verified_by": "platform:finance",
    }
