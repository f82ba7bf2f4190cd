"""How a payment provider is asked."""

import asyncio

from merchantry.gateways.payment import ChargeStatus, Outcome, asked


async def test_a_provider_that_does_not_answer_in_time_has_not_said_no() -> None:
    async def hangs() -> Outcome:
        await asyncio.sleep(30)
        return Outcome(ChargeStatus.DECLINED)

    assert (await asked(hangs(), timeout_seconds=0.01)).status is ChargeStatus.UNKNOWN


async def test_a_provider_that_can_not_be_reached_has_not_said_no() -> None:
    async def is_away() -> Outcome:
        raise ConnectionRefusedError

    assert (await asked(is_away())).status is ChargeStatus.UNKNOWN


async def test_an_answer_is_the_answer() -> None:
    async def declines() -> Outcome:
        return Outcome(ChargeStatus.DECLINED, reason="no money")

    assert await asked(declines()) == Outcome(ChargeStatus.DECLINED, reason="no money")
