"""The outbox for the bank."""

import asyncio
import errno
import os
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from merchantry.gateways.bank_file import BankFiles
from merchantry.gateways.payout import RepeatDiffers, TransferStatus
from tests.gateways.papers import DEBTOR, a_batch, an_instruction, into_wallet

TWO = [an_instruction(1), an_instruction(2)]
NAME = f"{a_batch().id.hex}.xml"


@pytest.fixture
def bank(tmp_path: Path) -> BankFiles:
    return BankFiles(tmp_path, DEBTOR)


def outbox(place: Path) -> list[str]:
    return sorted(os.listdir(place / "outbox"))


async def test_a_batch_becomes_one_file_and_is_accepted(bank: BankFiles, tmp_path: Path) -> None:
    answers = await bank.send(TWO, a_batch())
    assert {answer.status for answer in answers.values()} == {TransferStatus.ACCEPTED}
    assert {answer.provider_reference for answer in answers.values()} == {a_batch().id.hex}
    assert outbox(tmp_path) == [NAME]
    assert (tmp_path / "outbox" / NAME).read_bytes() == (tmp_path / "written" / NAME).read_bytes()
    assert os.listdir(tmp_path / "staging") == []
    assert {(tmp_path / own).stat().st_mode & 0o777 for own in ("staging", "written")} == {0o700}


async def test_a_repeat_finds_its_file_whatever_the_order(bank: BankFiles, tmp_path: Path) -> None:
    first = await bank.send(TWO, a_batch())
    before = (tmp_path / "outbox" / NAME).stat()
    assert await bank.send(TWO[::-1], a_batch()) == first
    after = (tmp_path / "outbox" / NAME).stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


async def test_a_file_that_the_bank_fetched_is_not_put_out_again(tmp_path: Path) -> None:
    first = await BankFiles(tmp_path, DEBTOR).send(TWO, a_batch())
    (tmp_path / "outbox" / NAME).unlink()
    assert await BankFiles(tmp_path, DEBTOR).send(TWO, a_batch()) == first
    assert outbox(tmp_path) == []


async def test_other_content_under_the_same_name_is_an_error(bank: BankFiles, tmp_path: Path) -> None:
    await bank.send(TWO, a_batch())
    before = (tmp_path / "outbox" / NAME).read_bytes()
    for other in ([an_instruction(1), an_instruction(2, 999)], [an_instruction(1)], [into_wallet("w1")]):
        with pytest.raises(RepeatDiffers):
            await bank.send(other, a_batch())
    assert (tmp_path / "outbox" / NAME).read_bytes() == before


async def test_a_strangers_file_is_not_overwritten(bank: BankFiles, tmp_path: Path) -> None:
    (tmp_path / "outbox").mkdir()
    (tmp_path / "outbox" / NAME).write_bytes(b"other")
    with pytest.raises(RepeatDiffers):
        await bank.send(TWO, a_batch())
    assert (tmp_path / "outbox" / NAME).read_bytes() == b"other"


async def test_what_no_bank_can_carry_out_is_rejected_and_left_out(bank: BankFiles, tmp_path: Path) -> None:
    good, wallet = an_instruction(1), into_wallet("w1", 2)
    answers = await bank.send([good, wallet], a_batch())
    assert answers[good.key].status is TransferStatus.ACCEPTED
    assert answers[wallet.key].status is TransferStatus.REJECTED
    assert wallet.key.hex not in (tmp_path / "outbox" / NAME).read_text()
    assert (await bank.send([wallet], a_batch(2)))[wallet.key].status is TransferStatus.REJECTED
    assert outbox(tmp_path) == [NAME]


@pytest.mark.parametrize("step", range(9))
async def test_a_failure_at_any_step_is_ended_by_a_repeat_without_a_second_file(
    step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = count()

    def failing(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            if next(calls) == step:
                raise OSError(errno.EIO, "the disk is gone")
            return real(*arguments)

        return call

    monkeypatch.setattr(os, "fsync", failing(os.fsync))
    monkeypatch.setattr(Path, "rename", failing(Path.rename))
    with pytest.raises(OSError, match="the disk is gone"):
        await BankFiles(tmp_path, DEBTOR).send(TWO, a_batch())
    monkeypatch.undo()
    was_out = (tmp_path / "outbox" / NAME).exists()
    if was_out:
        (tmp_path / "outbox" / NAME).unlink()  # the bank fetches it
    await BankFiles(tmp_path, DEBTOR).send(TWO, a_batch())
    assert outbox(tmp_path) == ([] if was_out else [NAME])


async def test_many_at_once_write_one_file(tmp_path: Path) -> None:
    answers = await asyncio.gather(*(BankFiles(tmp_path, DEBTOR).send(TWO, a_batch()) for _ in range(8)))
    assert all(answer == answers[0] for answer in answers)
    assert outbox(tmp_path) == [NAME]


async def test_a_file_can_not_be_asked(bank: BankFiles) -> None:
    await bank.send(TWO, a_batch())
    assert (await bank.find(TWO[0].key)).status is TransferStatus.UNKNOWN
    assert (await bank.find(an_instruction(9).key)).status is TransferStatus.UNKNOWN


def test_a_transfer_in_euros_has_the_limit_of_sepa(bank: BankFiles) -> None:
    assert bank.limit_minor("EUR") == 99_999_999_999
    assert bank.limit_minor("SEK") is None
