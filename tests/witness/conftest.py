"""Witnesses that run, each with a directory and a key of its own."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from merchantry.transparency import witness_key
from merchantry.transparency.evidence import EvidenceKind
from merchantry.witness.running import running
from merchantry.witness.store import Store
from merchantry.witness.witness import Witness
from tests.witness.paper_log import SIGNER, PaperLog, Tree, paper_log


@dataclass
class Booth:
    """A witness at its address, and a client to ask it with."""

    witness: Witness
    url: str
    client: httpx.Client

    def add(self, body: str | bytes) -> httpx.Response:
        """Ask it to cosign."""
        return self.client.post(f"{self.url}/add-checkpoint", content=body)

    def evidence(self) -> list[EvidenceKind]:
        """The kinds of what it has against logs; every one that is a proof convinces others."""
        with self.witness.store.reading() as store:
            found = store.evidence()
            for each in found:
                if each.evidence.kind in (EvidenceKind.FORK, EvidenceKind.REWRITTEN):
                    each.evidence.check(store.trusted())
        return [each.evidence.kind for each in found]

    def size(self) -> int | None:
        """Of the last head that it cosigned."""
        with self.witness.store.reading() as store:
            latest = store.latest(SIGNER.verifier.name)
        return latest.checkpoint.size if latest else None


Booths = Callable[[str], Booth]


def a_witness(directory: Path, name: str) -> Witness:
    """A witness that trusts the paper log's key."""
    directory.mkdir(exist_ok=True)
    witness = Witness(witness_key.make(directory, name), Store(directory), lambda: datetime.now(UTC))
    witness.trust([SIGNER.verifier])
    return witness


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=10) as client:
        yield client


@pytest.fixture
def booths(tmp_path: Path, client: httpx.Client) -> Iterator[Booths]:
    """Makes witnesses, by name."""
    with ExitStack() as stack:

        def booth(name: str) -> Booth:
            witness = a_witness(tmp_path / name, f"{name}.example/witness")
            found = Booth(witness, stack.enter_context(running(witness)), client)
            stack.callback(client.close)  # before the server ends, which waits for open connections
            return found

        yield booth


@pytest.fixture
def booth(booths: Booths) -> Booth:
    """One witness."""
    return booths("auditor")


@pytest.fixture
def log() -> Iterator[tuple[PaperLog, str]]:
    """A log of ten leaves, and where it is."""
    with paper_log(Tree.of(10)) as found:
        yield found
