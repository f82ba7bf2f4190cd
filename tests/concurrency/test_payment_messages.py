"""What a provider tells while other things happen to the same payment has one effect, and money is never lost."""

import asyncio
from datetime import timedelta
from uuid import UUID

from graphql_api.relay import parse_id
from merchantry.gateways.payment import ChargeStatus
from merchantry.jobs import handlers
from merchantry.jobs.tools import Job
from merchantry.services.queue import JobKind
from merchantry.tables.platform import NOBODY
from tests.concurrency.counting import check_everything, rows, stock_of
from tests.graphql_api.mall import Mall
from tests.graphql_api.test_payment_actions import an_open_payment, key_of, tell

MONEY = """
SELECT c.status, p.status AS payment, p.late_at IS NOT NULL AS late,
       s.amount_minor * (s.status = 'captured')::int - s.refunded_minor AS kept
FROM platform.checkout c JOIN platform.payment p ON p.checkout_id = c.id JOIN platform.sandbox_charge s ON s.id = p.id
"""


async def test_a_message_that_comes_ten_times_at_once_is_carried_out_once(mall: Mall) -> None:
    asked = await an_open_payment(mall)
    key = key_of(asked)
    await mall.tools.gateway.pay_anyway(key)  # type: ignore[attr-defined]
    same = [tell(mall, key, ChargeStatus.CAPTURED, message_id="same") for _ in range(6)]
    others = [tell(mall, key, ChargeStatus.CAPTURED) for _ in range(4)]
    answers = await asyncio.gather(*same, *others)
    assert {each.status_code for each in answers} == {200}
    assert rows(mall.database, MONEY) == [{"status": "paid", "payment": "captured", "late": False, "kept": 11_000}]
    await check_everything(mall.database)


async def test_success_failure_and_expiry_at_once_leave_either_a_paid_checkout_or_money_given_back(mall: Mall) -> None:
    seen = set()
    for _ in range(4):
        asked = await an_open_payment(mall)
        key = key_of(asked)
        await asyncio.gather(
            mall.http.post(f"/sandbox/pay/{key}/late"),
            _expire(mall, asked["placed"]["id"]),
            tell(mall, key, ChargeStatus.DECLINED),
            mall.http.post(f"/sandbox/pay/{key}/late"),
        )
        await tell(mall, key, ChargeStatus.CAPTURED)
        mall.clock.advance(hours=1)
        await mall.work()
        (found,) = rows(mall.database, MONEY + f"WHERE p.id = '{key}'")
        is_paid = found["status"] == "paid"
        assert found["payment"] == "captured" if is_paid else found["late"], found
        assert found["kept"] == (11_000 if is_paid else 0), found
        assert stock_of(mall.database, asked["merchant"].id)[0][1] == is_paid
        seen.add(found["status"])
    assert seen <= {"paid", "expired"}


async def _expire(mall: Mall, checkout: str) -> None:
    _, (checkout_id,) = parse_id(checkout) or ("", (UUID(int=0),))
    job = Job(NOBODY, JobKind.CHECKOUT_EXPIRE, checkout_id, mall.clock() + timedelta(minutes=30), 1)
    await handlers.checkout_expire(mall.tools, job)
