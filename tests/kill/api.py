"""Kills the API while it does what people ask for over HTTP, starts it again and asks again with the same key.

A program of its own, as the driver is. Each case is one mutation about money of a week, or an order, of its own.
"""

import json
import os
import random
import signal
import sys
import time
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from graphql_api.relay import encode_id
from merchantry.domain.act import Act
from merchantry.domain.payout import PayoutStatus, Word
from merchantry.jobs import settlement, worker
from merchantry.services import catalogue, payout, settlement_terms
from merchantry.services.payout import Told
from merchantry.services.queue import JobKind
from merchantry.services.verification import verify_books
from merchantry.tables.merchant import refund
from merchantry.tables.payout import payout as payout_table
from merchantry.tables.platform import sandbox_refund
from tenancy.database import Database, MerchantSession
from tenancy.principals import Merchant
from tests.kill.api_server import DONE, MUTATIONS, Place, Server
from tests.kill.driver import AFTER_A_LEASE, Attempt, Setting, in_child
from tests.kill.failpoints import Failpoints, kill
from tests.services.stall import Stall

MOST_POINTS = 400
WORKS = (JobKind.SETTLEMENT_RUN, JobKind.PAYOUT_SEND, JobKind.PAYOUT_POLL, JobKind.REFUND_SEND)
REFUND_MINOR = 100


@dataclass(frozen=True)
class Seller:
    """A merchant whose orders are refunded, and what it sells."""

    merchant_id: str
    slug: str
    product_id: str


@dataclass
class Case(Attempt):
    """One mutation: what must be there before it, and what must be there when all is over."""

    place: Place
    seller: Seller
    name: str
    number: int

    @property
    def now(self) -> datetime:
        """When it is asked for."""
        return self.until + timedelta(minutes=1)

    @property
    def act(self) -> Act:
        """What is prepared is done by the test."""
        return Act("system:test", self.until, self.now)

    @property
    def payee(self) -> UUID:
        """The merchant that is paid."""
        return UUID(self.setting.merchant_id)

    def prepared(self) -> tuple[dict[str, Any], str]:
        """The mutation's input, with a key that it keeps for ever; and the order that it is about, if it is."""
        code, said = in_child(self._prepare)
        if code:
            raise RuntimeError(f"{self.name} could not be prepared: {said}")
        given, order_id = said
        return {**given, "idempotencyKey": f"{self.name} {self.number}"}, order_id

    async def _prepare(self) -> tuple[dict[str, Any], str]:
        if self.name == "refundCreate":
            return await self._order()
        await self.sell()
        if self.name == "settlementRun":
            return {"merchant": self.setting.slug, "until": self.until.isoformat()}, ""
        tools = self.tools(self.now)
        await self._limit(tools.database, {"BRL": 1} if self.name == "payoutRelease" else {})
        await settlement.run(tools, self.until, self.act, concurrency=1)
        await self._limit(tools.database, {})
        async with tools.database.write("test") as tx, tx.as_merchant(self.payee) as session:
            payout_id = await self._newest(session)
            key = payout_id if self.name == "payoutRelease" else await self._hear(session, payout_id)
        await tools.database.close()
        if self.name == "payoutResolve":
            found = encode_id("PayoutTransfer", self.payee, key)
            return {"transferId": found, "outcome": "REJECTED", "evidence": "the bank says so"}, ""
        return {"payoutId": encode_id("Payout", self.payee, payout_id)}, ""

    async def _order(self) -> tuple[dict[str, Any], str]:
        tools, merchant_id = self.tools(self.now), UUID(self.seller.merchant_id)
        async with tools.database.read("test") as tx, tx.as_merchant(merchant_id) as session:
            product = await catalogue.product(session, UUID(self.seller.product_id))
        merchant = Merchant(merchant_id, self.seller.slug, "active")
        order_id = await Stall(tools.database, merchant, product, self.now).sell()
        await tools.database.close()
        amount = {"amount": "1.00", "currency": "BRL"}
        return {"orderId": encode_id("Order", merchant_id, order_id), "amount": amount, "reason": "test"}, str(order_id)

    async def _limit(self, database: Database, limits: dict[str, int]) -> None:
        async with database.write("test") as tx, tx.as_platform() as session:
            await settlement_terms.set_release_limits(session, limits, self.act)

    async def _newest(self, session: MerchantSession) -> UUID:
        table = payout_table.c
        own = select(table.id).where(table.merchant_id == self.payee).order_by(table.number.desc()).limit(1)
        found: UUID = await session.scalar(own)
        return found

    async def _hear(self, session: MerchantSession, payout_id: UUID) -> UUID:
        """Nobody has sent it, and this was said of it."""
        [transfer] = await payout.begin(session, payout_id, None, self.act)
        await payout.mark_asked(session, [transfer.key], self.act)
        word = Word.REJECTED if self.name == "payoutRetry" else Word.NOTHING
        await payout.hear_of(session, transfer.key, Told(word, reason="test"), self.act)
        return transfer.key

    async def finish(self) -> None:
        """Workers do what is left to do, also what a dead process has left behind; what failed is tried again."""
        for turn in range(1, 4):
            moment = self.now + turn * AFTER_A_LEASE
            tools = self.tools(moment)
            await worker.run_due(tools, moment + timedelta(minutes=5), kinds=WORKS, concurrency=1)
            async with tools.database.write("test") as tx, tx.as_merchant(self.payee) as session:
                table = payout_table.c
                failed = select(table.id).where(table.merchant_id == self.payee, table.status == PayoutStatus.FAILED)
                for payout_id in list((await session.execute(failed)).scalars()):
                    await payout.retry(session, payout_id, Act("system:test", moment, moment))
            await tools.database.close()

    async def look_at_refund(self, order_id: str) -> list[str]:
        """What is wrong with the order after one refund of it."""
        tools, merchant_id = self.tools(self.now), UUID(self.seller.merchant_id)
        async with tools.database.read("test") as tx:
            async with tx.as_merchant(merchant_id) as session:
                own = select(refund.c.id, refund.c.amount_minor, refund.c.status)
                rows = list(await session.execute(own.where(refund.c.order_id == UUID(order_id))))
            async with tx.as_platform() as platform:
                sent = select(func.count()).where(sandbox_refund.c.id.in_([row.id for row in rows]))
                times = await platform.scalar(sent)
        found = [each async for each in verify_books(tools.database, [(merchant_id, self.seller.slug)])]
        wrong = [str(broken) for each in found for broken in each.broken]
        if [(row.amount_minor, row.status) for row in rows] != [(REFUND_MINOR, "sent")] or times != 1:
            wrong.append(f"refunds {rows}, sent {times} times")
        await tools.database.close()
        return wrong


@dataclass
class Run:
    """Cases one after the other, and what came of them."""

    setting: Setting
    place: Place
    seller: Seller
    ended: Counter[str]
    wrong: list[str]
    weeks: int = 0
    cases: int = 0

    def case(self, name: str) -> Case:
        """The next one."""
        self.cases += 1
        self.weeks += name != "refundCreate"
        return Case(self.setting, max(self.weeks, 1), self.place, self.seller, name, self.cases)

    def again(self, case: Case, given: dict[str, Any], order_id: str, first: Any, what: str) -> None:
        """Start it again, ask again with the same key, let workers finish, and look."""
        server = Server(self.place, case.now + timedelta(seconds=10))
        second = None
        for _ in range(5):
            second = server.ask(case.name, given)
            if second and second["__typename"] in DONE:
                break
        server.kill()
        if second is None or second["__typename"] not in DONE:
            self.wrong.append(f"{what}: asked again, it answered {second}")
        if first and first["__typename"] in DONE and first != second:
            self.wrong.append(f"{what}: it answered {first}, and then {second}")
        for work in (case.finish, (lambda: case.look_at_refund(order_id)) if order_id else case.look):
            code, said = in_child(work)
            if code:
                self.wrong.append(f"{what}: {said}")
            self.wrong += [f"{what}: {each}" for each in said or []] if not code else []

    def at_every_point(self, name: str, first_point: int, stride: int) -> int:
        """Kill it at each place (or each ``stride``-th) of a mutation; returns how many places there are."""
        point = first_point
        while point < MOST_POINTS and not self.wrong:
            case = self.case(name)
            given, order_id = case.prepared()
            server = Server(self.place, case.now, Failpoints(point, kill).install)
            first = server.ask(name, given)
            server.kill()
            self.ended["killed" if first is None else "answered"] += 1
            self.again(case, given, order_id, first, f"{name} at {point}")
            if first is not None:
                break
            point += stride
        return point - 1

    def at_random_moments(self, times: int, chance: random.Random) -> None:
        """Kill it at moments that nothing announces."""
        for number in range(times):
            name = list(MUTATIONS)[number % len(MUTATIONS)]
            case = self.case(name)
            given, order_id = case.prepared()
            server = Server(self.place, case.now)
            killer = _kill_after(chance.uniform(0, 0.4), server.pid)
            first = server.ask(name, given)
            os.waitpid(killer, 0)
            server.kill()
            self.ended["killed" if first is None else "answered"] += 1
            self.again(case, given, order_id, first, f"{name}, {number}th random moment")
            if self.wrong:
                return


def _kill_after(seconds: float, pid: int) -> int:
    child = os.fork()
    if child == 0:
        time.sleep(seconds)
        os.kill(pid, signal.SIGKILL)
        os._exit(0)
    return child


def main() -> None:
    """Read what to do from standard input; print what it came to."""
    given = json.load(sys.stdin)
    setting = Setting(**given["setting"])
    Path(setting.acknowledged).touch()
    run = Run(setting, Place(**given["place"]), Seller(**given["seller"]), Counter(), [])
    points = {name: run.at_every_point(name, given["first_point"], given["stride"]) for name in MUTATIONS}
    run.at_random_moments(given["times"], random.Random(given["seed"]))
    result = {"points": points, "cases": run.cases, "weeks": run.weeks, "ended": run.ended, "wrong": run.wrong}
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main()
