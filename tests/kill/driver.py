"""Settles a week and pays it out, again and again, stopped at another place each time; then does it again and looks.

A program of its own, because it forks: every attempt runs in a child that has not opened anything before.
"""

import asyncio
import json
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
from sqlalchemy import func, select

from merchantry.domain import entries
from merchantry.domain.act import Act
from merchantry.domain.ledger import Account, Entry, EntryKind, Posting
from merchantry.gateways.sandbox import Sandbox
from merchantry.gateways.wallet import WalletProvider
from merchantry.jobs import payouts as payout_jobs
from merchantry.jobs import settlement, worker
from merchantry.jobs.tools import Tools
from merchantry.services import ledger
from merchantry.services.books import Law
from merchantry.services.queue import JobKind
from merchantry.services.vault import Vault
from merchantry.services.verification import verify_books
from merchantry.tables.merchant import balance
from merchantry.tables.merchant_settlement import statement
from merchantry.tables.payout import payout, payout_instruction
from merchantry.vault.keys import MasterKeys
from tenancy.database import Database
from tenancy.logins import derive
from tests.builders import NOON
from tests.kill.failpoints import Failpoints, cut_off, kill, swallow_answer

WEEK = timedelta(days=7)
PAYING = (JobKind.PAYOUT_SEND, JobKind.PAYOUT_POLL)
MOST_POINTS = 2_000
WITHOUT_ORDERS = (Law.DAILY_TOTAL, Law.DAILY_AVAILABLE, Law.ORDER_COMMISSION, Law.RELEASE)
"""What does not hold for money that was booked by hand, without an order behind it."""

AFTER_A_LEASE = timedelta(minutes=10)


@dataclass(frozen=True)
class Setting:
    """What the test has prepared: a merchant with a wallet account, and a provider that runs."""

    owner_url: str
    merchant_id: str
    slug: str
    master_keys: str
    wallet_url: str
    wallet_token: str
    acknowledged: str


@dataclass
class Attempt:
    """One week of the story."""

    setting: Setting
    week: int

    @property
    def until(self) -> datetime:
        """When the week has ended."""
        return NOON + WEEK * (self.week + 1)

    def tools(self, now: datetime) -> Tools:
        """Everything real, the clock apart."""
        database = Database(derive(self.setting.owner_url), pool_size=3)
        ring = MasterKeys.from_text(self.setting.master_keys)
        wallet = WalletProvider(self.setting.wallet_url, self.setting.wallet_token, limits={}, timeout_seconds=3)
        sandbox = Sandbox(database, lambda: now, "")
        return Tools(database, sandbox, lambda: now, Vault(lambda: ring), {"wallet": wallet})

    async def sell(self) -> None:
        """Money of an order becomes available in the week."""
        tools, at = self.tools(NOON), NOON + WEEK * self.week
        amount = 1_000 + self.week
        parts = (
            Posting(Account.BUYER_FUNDS, "BRL", -amount),
            Posting(Account.MERCHANT_PENDING, "BRL", amount),
        )
        act, order_id = Act("system:test", at, at), uuid4()
        details: dict[str, Any] = {"commission_minor": 0, "commission_tax_minor": 0}
        released = entries.release(order_id, amount, "BRL", occurred_at=at, available_at=at, details=details)
        async with tools.database.write("test") as tx, tx.as_merchant(UUID(self.setting.merchant_id)) as session:
            await ledger.book(session, Entry(EntryKind.CAPTURE, None, at, None, None, parts, {}), act)
            await ledger.book(session, released, act)
        await tools.database.close()

    async def pay(self, now: datetime) -> None:
        """Settle, and have everything paid that is due."""
        tools = self.tools(now)
        act = Act("system:test", self.until, now)
        await settlement.run(tools, self.until, act, concurrency=1)
        await worker.run_due(tools, now + timedelta(minutes=5), kinds=PAYING, concurrency=1)
        await tools.database.close()

    async def look(self) -> list[str]:
        """What is wrong after all is done."""
        tools, merchant_id = self.tools(self.until), UUID(self.setting.merchant_id)
        wrong = []
        async with tools.database.read("test") as tx, tx.as_merchant(merchant_id) as session:
            kept = await session.execute(select(balance.c.account, balance.c.amount_minor))
            balances = {row.account: row.amount_minor for row in kept if row.amount_minor}
            rows = list(await session.execute(select(payout.c.status, payout.c.amount_minor, payout.c.paid_minor)))
            statements = await session.scalar(select(func.count()).select_from(statement))
            paid = select(payout_instruction.c.key).where(payout_instruction.c.status == "paid")
            keys = {str(key) for key in (await session.execute(paid)).scalars()}
        expected = [1_000 + week for week in range(1, self.week + 1)]
        if sorted(row.amount_minor for row in rows) != expected or {row.status for row in rows} != {"paid"}:
            wrong.append(f"payouts {[tuple(row) for row in rows][-3:]}")
        if balances != {"buyer_funds": -sum(expected), "paid_out": sum(expected)}:
            wrong.append(f"balances {balances}")
        if statements != self.week:
            wrong.append(f"{statements} statements in {self.week} weeks")
        told = _read(self.setting.acknowledged)
        wrong += [f"{key} was acknowledged and is lost" for key in set(told) - keys]
        async with httpx.AsyncClient(headers={"Authorization": f"Bearer {self.setting.wallet_token}"}) as client:
            moved = (await client.get(f"{self.setting.wallet_url}/transfers")).json()
        if sorted(each["amount"] for each in moved) != sorted(f"{each / 100:.2f}" for each in expected):
            wrong.append(f"the provider paid {Counter(each['amount'] for each in moved).most_common(3)}")
        found = [each async for each in verify_books(tools.database, [(merchant_id, self.setting.slug)])]
        wrong += [str(broken) for each in found for broken in each.broken if broken.law not in WITHOUT_ORDERS]
        await tools.database.close()
        return wrong


def in_child(work: Callable[[], Awaitable[Any]], prepare: Callable[[], None] = lambda: None) -> tuple[int, Any]:
    """Run something in a child: how it ended (negative: by which signal), and what it gave, or how many it passed."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        code = 0
        try:
            prepare()
            result = asyncio.run(_told(work, write))
            os.write(write, json.dumps(result).encode())
        except BaseException as error:  # a child must never come back into the parent's code
            os.write(write, json.dumps(f"{type(error).__name__}: {error}"[:2_000]).encode())
            code = 1
        os._exit(code)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        given = pipe.read()
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), json.loads(given) if given else None


async def _told(work: Callable[[], Awaitable[Any]], write: int) -> Any:
    return await work()


def _read(path: str) -> list[str]:
    return Path(path).read_text().split()


def _write(path: str, word: str) -> None:
    with Path(path).open("a") as file:
        file.write(f"{word}\n")


def acknowledging(setting: Setting) -> None:
    """Whatever was heard and committed is written down by the one who did it."""
    inner = payout_jobs.hear

    async def hear(tools: Tools, merchant_id: UUID, key: UUID, answer: Any) -> None:
        await inner(tools, merchant_id, key, answer)
        if answer.status == "paid":
            _write(setting.acknowledged, str(key))

    payout_jobs.hear = hear


def recover(attempt: Attempt) -> list[str]:
    """Do it again, as a worker that was started again does, until it ends; then look."""
    now = attempt.until
    for _ in range(4):
        now += AFTER_A_LEASE
        moment = now

        async def again(moment: datetime = moment) -> None:
            await attempt.pay(moment)

        code, said = in_child(again)
        if code == 0:
            break
    else:
        return [f"it could not be done again: {said}"]
    code, wrong = in_child(attempt.look)
    return wrong if code == 0 else [f"it could not be looked at: {wrong}"]


def at_every_point(setting: Setting, action: str, stride: int, first_week: int) -> dict[str, Any]:
    """Stop at each place (or each ``stride``-th), once; ends when a run passes fewer places than that."""
    acts = {"kill": kill, "cut_off": cut_off(setting.owner_url), "swallow_answer": swallow_answer}
    wrong, ended, point, week = [], Counter[str](), 1, first_week
    while point < MOST_POINTS:
        attempt = Attempt(setting, week)
        in_child(attempt.sell)
        points = Failpoints(point, acts[action])

        async def work(attempt: Attempt = attempt, points: Failpoints = points) -> int:
            await attempt.pay(attempt.until)
            return len(points.passed)

        def prepare(points: Failpoints = points) -> None:
            acknowledging(setting)
            points.install()

        code, said = in_child(work, prepare)
        ended["killed" if code < 0 else "failed" if code else "went on"] += 1
        wrong += [f"{action} at {point}: {each}" for each in recover(attempt)]
        week += 1
        if wrong or (code == 0 and isinstance(said, int) and said < point):
            break
        point += stride
    return {"points": point, "weeks": week, "ended": ended, "wrong": wrong}


def at_random_moments(setting: Setting, times: int, seed: int, first_week: int) -> dict[str, Any]:
    """Kill at moments that nothing announces."""
    chance = random.Random(seed)
    wrong, ended = [], Counter[str]()
    for number in range(times):
        attempt = Attempt(setting, first_week + number)
        in_child(attempt.sell)
        child = os.fork()
        if child == 0:
            acknowledging(setting)
            try:
                asyncio.run(attempt.pay(attempt.until))
            finally:
                os._exit(0)
        time.sleep(chance.uniform(0, 0.25))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        ended["killed" if os.waitstatus_to_exitcode(status) < 0 else "was done"] += 1
        wrong += [f"random {number}: {each}" for each in recover(attempt)]
        if wrong:
            break
    return {"times": times, "weeks": first_week + times, "ended": ended, "wrong": wrong}


def main() -> None:
    """Read what to do from standard input; print what it came to."""
    given = json.load(sys.stdin)
    setting = Setting(**given["setting"])
    Path(setting.acknowledged).touch()
    if given["action"] == "random":
        result = at_random_moments(setting, given["times"], given["seed"], given["first_week"])
    else:
        result = at_every_point(setting, given["action"], given["stride"], given["first_week"])
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main()
