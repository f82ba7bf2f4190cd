"""A bank that takes files: each batch becomes one pain.001 file in an outbox, from which the bank's software fetches.

Beside the ``outbox`` lie ``staging``, from which a file moves there in one step, and ``written``, a copy of every file
that ever went out. A file that left the outbox is therefore never put there again.
"""

import asyncio
import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

from merchantry.gateways.iso20022 import pain001
from merchantry.gateways.iso20022.pain001 import Debtor
from merchantry.gateways.payout import Answer, Batch, Instruction, RepeatDiffers, TransferStatus

SEPA_LIMITS: Mapping[str, int] = {"EUR": 99_999_999_999}
"""The most that a SEPA credit transfer carries: 999,999,999.99 (EPC rulebook)."""


class BankFiles:
    """Writes batches into ``directory/outbox``. Everything in ``directory`` must be on one file system."""

    name = "bank"

    def __init__(self, directory: Path, debtor: Debtor, limits: Mapping[str, int] = SEPA_LIMITS) -> None:
        self._outbox = directory / "outbox"
        self._staging = directory / "staging"
        self._written = directory / "written"
        self._lock = directory / "lock"
        self._debtor = debtor
        self._limits = limits

    def limit_minor(self, currency: str) -> int | None:
        """The most that one transfer may carry; None without a limit."""
        return self._limits.get(currency)

    async def send(self, instructions: Sequence[Instruction], batch: Batch) -> Mapping[UUID, Answer]:
        """Put the batch's file into the outbox: ACCEPTED, as the bank has still to carry it out.

        What can't stand in a file is REJECTED and left out of it. A repeat finds its file there, or gone on its way.
        Raises RepeatDiffers where the batch went out with other bytes, and OSError where nothing could be written.
        """
        refused = {each.key: reason for each in instructions if (reason := pain001.refusal(each))}
        taken = [each for each in instructions if each.key not in refused]
        name = f"{pain001.message_id(batch)}.xml"
        if taken:
            # A thread can't be given up half-way: whoever stops waiting still gets a whole file or none.
            await asyncio.to_thread(lambda: self._put(name, pain001.write(batch, self._debtor, taken)))
        elif await asyncio.to_thread((self._written / name).exists):
            raise RepeatDiffers(f"{name} was written, and now nothing of it can be")
        answers = {key: Answer(TransferStatus.REJECTED, reason=reason) for key, reason in refused.items()}
        accepted = Answer(TransferStatus.ACCEPTED, provider_reference=pain001.message_id(batch))
        return answers | {each.key: accepted for each in taken}

    async def find(self, key: UUID) -> Answer:
        """Always UNKNOWN: a file can't be asked.

        What became of a transfer is told by the bank's status report (pain.002) and statement (camt.053), which are
        read elsewhere. That no file here holds the key proves nothing, as the directory may be another one than then.
        """
        return Answer(TransferStatus.UNKNOWN, reason="the bank tells by its status report or statement")

    def _put(self, name: str, data: bytes) -> None:
        """Once a copy is in ``written``, the file is in ``staging`` until the very step that puts it into the outbox.

        So a crash anywhere leaves a state that tells whether that step was done.
        """
        self._outbox.mkdir(parents=True, exist_ok=True)
        for own in (self._staging, self._written):
            own.mkdir(mode=0o700, exist_ok=True)  # payees' accounts are for the bank's software alone
        with _locked(self._lock):
            copy, staged = self._written / name, self._staging / name
            if not copy.exists():
                if (self._outbox / name).exists():
                    raise RepeatDiffers(f"{name} is in the outbox, and was not written by this program")
                _write(staged, data)
                _write(copy, data)
            elif copy.read_bytes() != data:
                raise RepeatDiffers(f"{name} was written with other content")
            if staged.exists():
                staged.rename(self._outbox / name)
                _sync(self._outbox)
                _sync(self._staging)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _write(path: Path, data: bytes) -> None:
    """Whole and on the disk, or not at all under this name."""
    unfinished = path.with_suffix(".unfinished")
    with unfinished.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(path)
    _sync(path.parent)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
