"""How providers of payouts are asked."""

import asyncio
from collections.abc import Mapping, Sequence
from uuid import UUID

import pytest

from merchantry.gateways.payout import Answer, Batch, Instruction, TransferStatus, asked, check_batch, sent
from tests.gateways.papers import a_batch, an_instruction

TWO = [an_instruction(1), an_instruction(2)]


class Provider:
    """Stands for one that does what its name says."""

    name = "provider"

    def __init__(self, *answered: UUID, seconds: float = 0, error: Exception | None = None) -> None:
        self.answered, self.seconds, self.error = answered, seconds, error

    def limit_minor(self, currency: str) -> int | None:
        return None

    async def send(self, instructions: Sequence[Instruction], batch: Batch) -> Mapping[UUID, Answer]:
        await asyncio.sleep(self.seconds)
        if self.error:
            raise self.error
        return dict.fromkeys(self.answered, Answer(TransferStatus.PAID))

    async def find(self, key: UUID) -> Answer:
        return (await self.send([], a_batch()))[key]


@pytest.mark.parametrize("error", [ConnectionRefusedError(), TimeoutError(), OSError()], ids=lambda error: repr(error))
async def test_a_provider_that_can_not_be_reached_has_not_said_no(error: Exception) -> None:
    answers = await sent(Provider(error=error), TWO, a_batch())
    assert {answer.status for answer in answers.values()} == {TransferStatus.UNKNOWN}
    assert set(answers) == {instruction.key for instruction in TWO}
    assert (await asked(Provider(error=error).find(TWO[0].key))).status is TransferStatus.UNKNOWN


async def test_a_provider_that_does_not_answer_in_time_has_not_said_no() -> None:
    silent = Provider(*(each.key for each in TWO), seconds=30)
    answers = await sent(silent, TWO, a_batch(), timeout_seconds=0.01)
    assert {answer.status for answer in answers.values()} == {TransferStatus.UNKNOWN}
    assert (await asked(silent.find(TWO[0].key), timeout_seconds=0.01)).status is TransferStatus.UNKNOWN


async def test_a_key_that_the_answer_leaves_out_is_unknown() -> None:
    stranger = UUID(int=99)
    answers = await sent(Provider(TWO[0].key, stranger), TWO, a_batch())
    assert [answers[each.key].status for each in TWO] == [TransferStatus.PAID, TransferStatus.UNKNOWN]
    assert stranger not in answers


async def test_a_fault_of_ours_is_not_taken_for_silence() -> None:
    with pytest.raises(ZeroDivisionError):
        await sent(Provider(error=ZeroDivisionError()), TWO, a_batch())


@pytest.mark.parametrize("amount_minor", [0, -1])
def test_only_positive_amounts_are_instructed(amount_minor: int) -> None:
    with pytest.raises(ValueError, match="instructed"):
        an_instruction(amount_minor=amount_minor)


@pytest.mark.parametrize("reference", ["/A", "A/", "A//B", " A", "A ", "É", "A\nB", "A" * 36, "A_B", "PO-1\n"])
def test_a_reference_that_banks_would_change_is_refused(reference: str) -> None:
    with pytest.raises(ValueError, match="reference"):
        an_instruction(reference=reference)


@pytest.mark.parametrize("reference", ["A", "A/B", "PO-2026-0001/1", "A" * 35, "a b:c(d).,'+?"])
def test_a_reference_that_banks_carry_is_taken(reference: str) -> None:
    assert an_instruction(reference=reference).reference == reference


@pytest.mark.parametrize(
    "instructions",
    [
        pytest.param([], id="none"),
        pytest.param([an_instruction(1), an_instruction(1, reference="B")], id="one key twice"),
        pytest.param([an_instruction(1), an_instruction(2, reference="PO-1")], id="one reference twice"),
        pytest.param([an_instruction(1), an_instruction(2, currency="SEK")], id="two currencies"),
    ],
)
def test_what_can_not_go_out_together_is_refused(instructions: list[Instruction]) -> None:
    with pytest.raises(ValueError, match="batch"):
        check_batch(instructions, a_batch())
