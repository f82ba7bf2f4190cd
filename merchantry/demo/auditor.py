"""The witness beside the demonstration: on the same machine it proves nothing, but it shows how heads are confirmed."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from merchantry.transparency import witness_key
from merchantry.transparency.log_keys import LogKeys
from merchantry.transparency.witness_policy import PolicyWitness, WitnessPolicy
from merchantry.witness.running import running
from merchantry.witness.store import Store
from merchantry.witness.witness import Witness

NAME = "auditor.example/demo"


@contextmanager
def auditor(directory: Path, keys: LogKeys) -> Iterator[WitnessPolicy]:
    """Run a witness until the end of the block; the policy that asks it alone."""
    directory.mkdir(mode=0o700, exist_ok=True)
    witness = Witness(witness_key.make(directory, NAME), Store(directory), lambda: datetime.now(UTC))
    witness.trust(keys.verifiers)
    with running(witness) as url:
        yield WitnessPolicy((PolicyWitness(witness.verifier, url),), 1, {})
