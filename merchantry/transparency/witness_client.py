"""Asks a witness over HTTP (C2SP tlog-witness). What it answers is checked here: a cosignature, or another size."""

import re
from dataclasses import dataclass
from typing import Final

import httpx

from merchantry.domain.add_checkpoint import AddCheckpoint
from merchantry.domain.note import MAX_NOTE_BYTES, Note, NoteError, Signature
from merchantry.transparency.signing import Cosigned, cosigned
from merchantry.transparency.witness_policy import PolicyWitness

TIMEOUT_SECONDS: Final = 10.0
_SIZE: Final = re.compile(r"(0|[1-9][0-9]{0,18})\n?")


class WitnessFailed(Exception):
    """A witness did not answer, or not as it should; the message says which and what."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """The witness has cosigned a head of this size last."""

    size: int


@dataclass(frozen=True, slots=True)
class Answered:
    """A cosignature that holds."""

    signature: Signature
    cosigned: Cosigned


class WitnessClient:
    """One witness; clients may share a connection pool."""

    def __init__(self, http: httpx.AsyncClient, witness: PolicyWitness) -> None:
        self._http, self.witness = http, witness

    @property
    def name(self) -> str:
        """Of its key."""
        return self.witness.key.name

    async def add_checkpoint(self, asked: AddCheckpoint) -> Answered | Conflict:
        """Ask it to cosign. Raises WitnessFailed."""
        status, body = await self._ask("POST", "add-checkpoint", asked.body)
        if status == httpx.codes.CONFLICT:
            size = _SIZE.fullmatch(body)
            if size is None:
                raise WitnessFailed(f"{self.name} answers 409 without a size")
            return Conflict(int(size[1]))
        if status != httpx.codes.OK:
            raise WitnessFailed(f"{self.name} answers {status}: {body[:200].strip()}")
        return self._cosignature(asked.note, body)

    async def last(self, origin: str) -> Note | None:
        """The last head that it cosigned, which it has to show with its cosignature; None where it shows none.

        Whether the log signed it is for the caller to check. Raises WitnessFailed.
        """
        status, body = await self._ask("GET", "checkpoint", params={"origin": origin})
        if status == httpx.codes.NOT_FOUND:
            return None
        if status != httpx.codes.OK:
            raise WitnessFailed(f"{self.name} answers {status}")
        try:
            note = Note.parse(body)
            if cosigned(note, self.witness.key) is not None:
                return note
        except NoteError as error:
            raise WitnessFailed(f"{self.name} shows what is no head: {error}") from error
        raise WitnessFailed(f"{self.name} shows a head that it has not cosigned")

    def _cosignature(self, note: Note, body: str) -> Answered:
        """Ours of the lines that it answered; those of other keys are passed over."""
        try:
            lines = [Signature.parse(line) for line in body.removesuffix("\n").split("\n")]
            own = self.witness.key.signatures_in(Note(note.text, tuple(lines)))
            found = cosigned(Note(note.text, tuple(own)), self.witness.key)
        except NoteError as error:
            raise WitnessFailed(f"{self.name} answers no cosignature: {error}") from error
        if found is None:
            raise WitnessFailed(f"{self.name} answers without a cosignature by the key that the policy names")
        return Answered(own[0], found)

    async def _ask(
        self, method: str, path: str, content: str | None = None, params: dict[str, str] | None = None
    ) -> tuple[int, str]:
        try:
            url = f"{self.witness.url}/{path}"
            async with self._http.stream(method, url, content=content, params=params) as answer:
                body = bytearray()
                async for chunk in answer.aiter_bytes():
                    body += chunk
                    if len(body) > MAX_NOTE_BYTES:
                        raise WitnessFailed(f"{self.name} answers more than {MAX_NOTE_BYTES} bytes")
                return answer.status_code, body.decode()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise WitnessFailed(f"{self.name} can't be asked: {type(error).__name__}") from error
        except UnicodeDecodeError as error:
            raise WitnessFailed(f"{self.name} answers what is no text") from error


def new_client() -> httpx.AsyncClient:
    """A pool of connections for clients."""
    return httpx.AsyncClient(timeout=TIMEOUT_SECONDS)
