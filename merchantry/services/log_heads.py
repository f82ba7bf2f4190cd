"""Verifying the heads of the public log: roots, signatures, cosignatures, and the keys that made them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row, func, or_, select

from merchantry.domain.checkpoint import Checkpoint, head_record
from merchantry.domain.note import Note, NoteError, Signature, VerifierKey
from merchantry.services.log_laws import Findings, LogLaw
from merchantry.tables.log import log_checkpoint, log_confirmed, log_cosignature, log_key
from merchantry.transparency.signing import cosigned, verify
from merchantry.transparency.trust import Trust
from tenancy.database import PlatformSession

MOST = 100


@dataclass(frozen=True, slots=True)
class Keys:
    """The log's keys as the database has them, those that are trusted from elsewhere, and witnesses' keys by name."""

    origin: str = ""
    known: tuple[VerifierKey, ...] = ()
    trusted: tuple[VerifierKey, ...] = ()
    witnesses: Mapping[str, VerifierKey] = field(default_factory=dict)


async def keys(session: PlatformSession, trust: Trust, found: Findings) -> Keys:
    """The keys that are stored, each as it is given out."""
    table = log_key.c
    known: list[VerifierKey] = []
    for position, row in enumerate(await session.execute(select(log_key).order_by(table.position))):
        name = f"key {row.position}"
        try:
            key = VerifierKey.parse(row.verifier or "")
        except NoteError as error:
            found.report(LogLaw.KEY, name, expected="a key of the log", found=error)
            continue
        if str(key) != row.verifier or row.position != position:
            found.report(LogLaw.KEY, name, expected=f"{key} at {position}", found=f"{row.verifier} at {row.position}")
        if known and key.name != known[0].name:
            found.report(LogLaw.KEY, name, expected=known[0].name, found=key.name)
        known.append(key)
    origin = trust.keys[0].name if trust.keys else known[0].name if known else ""
    if known and known[0].name != origin:
        found.report(LogLaw.KEY, "key 0", expected=origin, found=known[0].name)
    return Keys(origin, tuple(known), trust.keys, {each.name: each for each in trust.witnesses})


async def between(session: PlatformSession, after: int, last: int) -> dict[int, list[Row[Any]]]:
    """The heads of more than ``after`` leaves, up to ``last``, by size."""
    table = log_checkpoint.c
    asked = select(log_checkpoint).where(table.size > after, table.size <= last).order_by(table.size)
    heads: dict[int, list[Row[Any]]] = {}
    for row in await session.execute(asked):
        heads.setdefault(row.size, []).append(row)
    return heads


async def last_before(session: PlatformSession, size: int) -> tuple[int, int]:
    """How many heads there are up to a size, and the size of the last of them."""
    table = log_checkpoint.c
    if not size:
        return 0, 0
    count: int = await session.scalar(select(func.count()).where(table.size <= size)) or 0
    last: int = await session.scalar(select(func.max(table.size)).where(table.size <= size)) or 0
    return count, last


def check(found: Findings, keys: Keys, head: Row[Any], root: bytes, previous_size: int) -> None:
    """A stored head against the root over its leaves, its signatures, and the size of the head before it."""
    name, stored = f"head {head.size}", bytes(head.root or b"")
    if stored != root:
        found.report(LogLaw.HEAD, name, expected=root.hex(), found=stored.hex())
    text = f"{Checkpoint(keys.origin, head.size, stored).text}\n{head.signature}"
    try:
        note = Note.parse(text)
        if str(note) != text:
            raise NoteError("its signatures are not written as they are made")
        _check_signatures(note, keys.known)
        _check_record(head, keys, previous_size)
    except (ValueError, TypeError, AttributeError) as error:
        found.report(LogLaw.SIGNATURE, name, expected=f"signatures of {keys.origin}", found=error)


def _check_signatures(note: Note, known: tuple[VerifierKey, ...]) -> None:
    """Every signature is of a key of the log, and there is one. Raises NoteError."""
    signed = {(each.name, each.key_id) for each in note.signatures}
    ours = [key for key in known if (key.name, key.key_id) in signed]
    if not ours or len(ours) < len(note.signatures):
        raise NoteError("it is signed by somebody else")
    for key in ours:
        verify(note, key)


def _check_record(head: Row[Any], keys: Keys, previous_size: int) -> None:
    """What the log signed of the head for itself. Raises NoteError."""
    text = head_record(Checkpoint(keys.origin, head.size, bytes(head.root)), previous_size, head.signed_at)
    for key in keys.known:
        try:
            verify(Note(text, (Signature(key.name, key.key_id, bytes(head.record or b"")),)), key)
        except NoteError:
            continue
        return
    raise NoteError(f"it was not signed at {head.signed_at} behind the head of {previous_size}")


async def check_stray(session: PlatformSession, found: Findings, keys: Keys, size: int, checked: int) -> None:
    """Heads that are of no tree of the log, the newest one, and what witnesses have said."""
    table = log_checkpoint.c
    stored: int = await session.scalar(select(func.count()).select_from(log_checkpoint)) or 0
    newest: int | None = await session.scalar(select(func.max(table.size)))
    if stored != checked:
        strays = or_(table.size.is_(None), table.size <= 0, table.size > size)
        for row in await session.execute(select(table.size).where(strays).limit(MOST)):
            found.report(LogLaw.HEAD, f"head {row.size}", expected=f"a log of {size} leaves", found="a head")
    if (newest or 0) != size:
        found.report(LogLaw.HEAD, "the newest head", expected=f"{size} leaves", found=f"{newest or 0} leaves")
    if keys.trusted:
        await _check_newest(session, found, keys, newest)
    await _check_cosignatures(session, found, keys)


async def _check_newest(session: PlatformSession, found: Findings, keys: Keys, newest: int | None) -> None:
    """The newest head is signed by a key that is trusted, not only by one that stands in the database."""
    table = log_checkpoint.c
    for row in await session.execute(select(log_checkpoint).where(table.size == newest)):
        text = f"{Checkpoint(keys.origin, row.size, bytes(row.root or b'')).text}\n{row.signature}"
        try:
            note = Note.parse(text)
            ours = [key for key in keys.trusted if key.signatures_in(note)]
            if not ours:
                raise NoteError("signed by none of the keys that are trusted")
            for key in ours:
                verify(note, key)
        except (ValueError, TypeError, AttributeError) as error:
            row_name, named = f"head {row.size}", ", ".join(str(each) for each in keys.trusted)
            found.report(LogLaw.SIGNATURE, row_name, expected=f"a signature of {named}", found=error)


async def _check_cosignatures(session: PlatformSession, found: Findings, keys: Keys) -> None:
    """Each is over a head that there is, says the moment that stands beside it, and is its witness's where its key is
    known; a head is confirmed only where somebody cosigned it."""
    head, table = log_checkpoint.c, log_cosignature.c
    asked = (
        select(log_cosignature, head.root, head.size.label("head_size"))
        .outerjoin(log_checkpoint, head.size == table.size)
        .order_by(table.size, table.witness)
    )
    for row in await session.execute(asked):
        name = f"cosignature of {row.witness} on head {row.size}"
        try:
            _check_cosignature(row, keys)
        except (ValueError, TypeError, AttributeError) as error:
            found.report(LogLaw.COSIGNATURE, name, expected="a cosignature", found=error)
    uncovered = (
        select(log_confirmed.c.size)
        .outerjoin(log_cosignature, table.size == log_confirmed.c.size)
        .outerjoin(log_checkpoint, head.size == log_confirmed.c.size)
        .where(or_(table.size.is_(None), head.size.is_(None)))
        .limit(MOST)
    )
    for row in await session.execute(uncovered):
        found.report(LogLaw.COSIGNATURE, f"confirmed head {row.size}", expected="cosignatures", found="none")


def _check_cosignature(row: Row[Any], keys: Keys) -> None:
    """Raises NoteError, ValueError."""
    if row.head_size is None:
        raise NoteError("the log has no such head")
    line = row.signature or ""
    signature = Signature.parse(line.removesuffix("\n"))
    if signature.line.removesuffix("\n") != line.removesuffix("\n") or signature.name != row.witness:
        raise NoteError("it is not written as it was made, or is another's")
    seconds = int.from_bytes(signature.signature[:8], "big")
    if row.cosigned_at.timestamp() != seconds:
        raise NoteError(f"it says {seconds} s after 1970, and {row.cosigned_at} stands beside it")
    key = keys.witnesses.get(row.witness)
    if key is not None:
        note = Note(Checkpoint(keys.origin, row.size, bytes(row.root)).text, (signature,))
        if cosigned(note, key) is None:
            raise NoteError("it is of another key")
