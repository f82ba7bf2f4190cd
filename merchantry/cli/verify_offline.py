"""`merchantry verify receipt|ledger|mirror`: what anybody can check with files alone; no database, no keys of ours."""

import json
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import orjson
import typer

from merchantry.cli.failures import CommandRefused
from merchantry.cli.running import progress_bar
from merchantry.domain.checkpoint import Checkpoint
from merchantry.domain.ledger_audit import LedgerAudit, LedgerFileError, read_line
from merchantry.domain.merkle import ProofError
from merchantry.domain.money import format_minor
from merchantry.domain.note import COSIGNATURE, Note, NoteError, VerifierKey
from merchantry.domain.receipt import Receipt, ReceiptError, checkpoint_of, parse_receipt
from merchantry.transparency import mirror as mirrors
from merchantry.transparency.mirror import MirrorError, files_at
from merchantry.transparency.trust import checked_head, log_key

BROKEN: Final = 1


class Format(StrEnum):
    """How the result is printed."""

    TEXT = "text"
    JSON = "json"


Checkpoints = Annotated[
    list[Path] | None,
    typer.Option("--checkpoint", metavar="FILE", help="A signed head (note) that was kept elsewhere."),
]
Keys = Annotated[
    list[str] | None, typer.Option("--key", metavar="VKEY", help="A key of the log, as /log/keys gives it.")
]
Witnesses = Annotated[list[str] | None, typer.Option("--witness", metavar="VKEY", help="A witness's key.")]
Quorum = Annotated[int, typer.Option(metavar="N", min=0, help="How many of the witnesses must have cosigned a head.")]
Output = Annotated[Format, typer.Option("--format", help="What to print.")]
Tiles = Annotated[
    str | None, typer.Option(metavar="DIR|URL", help="The log's files: a copy, or where they are served.")
]


def receipt(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Receipts, as the API gives them.")],
    key: Keys = None,
    checkpoint: Checkpoints = None,
    witness: Witnesses = None,
    quorum: Quorum = 0,
    tiles: Tiles = None,
    output: Output = Format.TEXT,
) -> None:
    """Check receipts with the log's key. Offline, unless --tiles is an address. Exit code 1 where one is not right."""
    keys, witnesses = keys_of(key), witnesses_of(witness)
    heads = [head_in(path, keys, witnesses, quorum) for path in checkpoint or ()]
    results = [_checked(path, keys, witnesses, quorum, heads, tiles) for path in files]
    if output is Format.JSON:
        typer.echo(orjson.dumps(results).decode())
    else:
        for each in results:
            typer.echo(f"{each['file']}: {each['fault']}" if each["fault"] else "\n".join(each["says"]))
    if any(each["fault"] for each in results):
        raise typer.Exit(BROKEN)


def _checked(
    path: Path,
    keys: Sequence[VerifierKey],
    witnesses: Sequence[VerifierKey],
    quorum: int,
    heads: Sequence[Checkpoint],
    tiles: str | None,
) -> dict[str, Any]:
    """What a receipt shows, or its fault. Raises CommandRefused where it can't be read or compared."""
    try:
        found = parse_receipt(json.loads(_text(path)))
        own = checkpoint_of(found)
        found.check(own)
        checked_head(found.checkpoint, keys, witnesses, 0 if heads else quorum)
        for head in heads:
            _check_same_log(own, head, tiles)
    except MirrorError as error:
        raise CommandRefused(str(error)) from error
    except (ReceiptError, NoteError, ProofError, ValueError) as error:
        return {"file": str(path), "fault": str(error), "says": []}
    return {"file": str(path), "fault": None, "says": [f"{path}: right.", *_said(found), *_proven(own, heads, quorum)]}


def _check_same_log(own: Checkpoint, head: Checkpoint, tiles: str | None) -> None:
    """That the receipt's head and a trusted one are of one history. Raises ReceiptError, ProofError, MirrorError."""
    if own.size == head.size:
        if own.root != head.root:
            raise ReceiptError("The receipt's head and the checkpoint have the same size and are different trees")
        return
    if tiles is None:
        raise CommandRefused(
            f"The receipt's head has {own.size} leaves and the checkpoint {head.size}: add --tiles DIR or URL, so that"
            " one can be shown to begin with the other."
        )
    old, new = sorted((own, head), key=lambda each: each.size)
    mirrors.check_begins_with(files_at(tiles), old, new)


def _said(found: Receipt) -> Iterator[str]:
    for name, part in (("entry", found.entry), ("buyer", found.buyer), ("balances", found.balances)):
        if part is None or part.canonical is None:
            continue
        stated = json.loads(part.canonical)
        if name == "entry":
            yield f"  Entry {stated['seq']} of merchant {stated['merchant_id']}: {stated['kind']}"
            yield f"  Order {stated['order_id']}, {stated['occurred_at']}, written {stated['booked_at']}"
            yield from (f"    {each['account']}: {_money(each, 'amount_minor')}" for each in stated["postings"])
        elif name == "buyer":
            yield f"  Order {stated['order_id']}: {stated['kind']} of {_money(stated, 'amount_minor')}"
            yield f"  {stated['occurred_at']}, merchant {stated['merchant_id']}"
        else:
            yield "  After it:"
            yield from (f"    {each['account']}: {_money(each, 'balance_minor')}" for each in stated["balances"])
    yield f"  It is leaf {found.leaf_index} of the log."


def _money(stated: Any, name: str) -> str:
    return f"{format_minor(int(stated[name]), stated['currency'])} {stated['currency']}"


def _proven(own: Checkpoint, heads: Sequence[Checkpoint], quorum: int) -> Iterator[str]:
    witnessed = f", cosigned by {quorum} witnesses" if quorum else ""
    of_own = "" if heads else witnessed
    yield f"  {own.origin} has signed that this is so, in its head of {own.size} leaves{of_own}."
    for head in heads:
        yield f"  It is the same history as that of your head of {head.size} leaves{witnessed}."


def ledger(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="ledger.jsonl of `merchantry merchant export`.")],
    tiles: Annotated[str, typer.Option(metavar="DIR|URL", help="The log's files: a copy, or where they are served.")],
    key: Keys = None,
    checkpoint: Checkpoints = None,
    witness: Witnesses = None,
    quorum: Quorum = 0,
    output: Output = Format.TEXT,
) -> None:
    """Audit a merchant's exported ledger: sums, running balances, and that the log has every entry as it stands."""
    keys, witnesses = keys_of(key), witnesses_of(witness)
    source = files_at(tiles)
    try:
        heads = [head_in(path, keys, witnesses, quorum) for path in checkpoint or ()]
        head = max(heads, key=lambda each: each.size) if heads else _head_of(source, keys, witnesses, quorum)
        audits = audited(files, source, head)
    except MirrorError as error:
        raise CommandRefused(str(error)) from error
    if output is Format.JSON:
        typer.echo(orjson.dumps([_audit_document(*each) for each in audits]).decode())
    else:
        for each in audits:
            typer.echo("\n".join(_audit_lines(*each, head)))
    if any(audit.faults for audit, _ in audits):
        raise typer.Exit(BROKEN)


def _audit_document(audit: LedgerAudit, newer: int) -> dict[str, Any]:
    counts = {"entries": audit.entries, "newer": newer, "faults": audit.faults}
    return {"merchant": str(audit.merchant_id), **counts, "broken": audit.broken, "written_off": audit.accepted}


def _audit_lines(audit: LedgerAudit, newer: int, head: Checkpoint) -> Iterator[str]:
    yield from audit.broken
    yield from audit.accepted
    logged = f"{audit.entries - newer} of them in the head of {head.size} leaves, {newer} newer than it"
    yield f"{audit.entries} entries of merchant {audit.merchant_id}, {logged}: {audit.faults or 'no'} faults."
    for (account, currency), amount in sorted(audit.balances.items()):
        yield f"  {account}: {format_minor(amount, currency)} {currency}"


def audited(paths: Sequence[Path], files: mirrors.Files, head: Checkpoint) -> list[tuple[LedgerAudit, int]]:
    """Audits of files against the tree of a head that is trusted, and how many entries of each are newer than it.

    Raises MirrorError, CommandRefused.
    """
    audits = [_read(path) for path in paths]
    owners = {leaf: audit for audit in audits for leaf in audit.waiting}
    index = 0
    for bundle in mirrors.checked_leaves(files, head):
        for leaf in bundle:
            if leaf in owners:
                owners[leaf].see(leaf, index)
            index += 1
    return [(audit, audit.finish()) for audit in audits]


def _read(path: Path) -> LedgerAudit:
    audit = LedgerAudit()
    try:
        with path.open("rb") as lines:
            for line in lines:
                audit.add(line)
    except OSError as error:
        raise CommandRefused(f"{path} can't be read: {error.strerror}") from error
    return audit


def mirror(
    url: Annotated[str, typer.Argument(metavar="URL", help="Where the log is served: https://mall.example/log")],
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="Made where it is missing; run again, it is added to.")
    ],
    key: Keys = None,
    witness: Witnesses = None,
    quorum: Quorum = 0,
) -> None:
    """Copy the public log's files, so that audits need no network."""
    keys, witnesses = keys_of(key), witnesses_of(witness)
    try:
        source = files_at(url)
        with progress_bar() as bars:
            task = bars.add_task("Leaves", total=None)
            head = mirrors.copy(source, directory, lambda leaves: bars.update(task, completed=leaves))
        _head_of(mirrors.Directory(directory), keys, witnesses, quorum)
    except MirrorError as error:
        raise CommandRefused(str(error)) from error
    typer.echo(f"{head.size} leaves of {head.origin} are in {directory}.")


def keys_of(texts: Sequence[str] | None) -> tuple[VerifierKey, ...]:
    """The log's keys as they are given. Raises CommandRefused."""
    if not texts:
        raise CommandRefused("Give the log's key with --key; take it from somebody you trust, not from the receipt.")
    try:
        return tuple(log_key(text) for text in texts)
    except NoteError as error:
        raise CommandRefused(f"--key: {error}") from error


def witnesses_of(texts: Sequence[str] | None) -> tuple[VerifierKey, ...]:
    """Witnesses' keys as they are given. Raises CommandRefused."""
    try:
        keys = tuple(VerifierKey.parse(text) for text in texts or ())
    except NoteError as error:
        raise CommandRefused(f"--witness: {error}") from error
    if any(key.kind != COSIGNATURE for key in keys):
        raise CommandRefused("--witness: that is the key of a log, not of a witness.")
    return keys


def head_in(path: Path, keys: Sequence[VerifierKey], witnesses: Sequence[VerifierKey], quorum: int) -> Checkpoint:
    """The signed head in a file. Raises CommandRefused where it is none, or not signed as it should be."""
    try:
        return checked_head(Note.parse(_text(path)), keys, witnesses, quorum)
    except NoteError as error:
        raise CommandRefused(f"{path}: {error}") from error


def _head_of(
    files: mirrors.Files, keys: Sequence[VerifierKey], witnesses: Sequence[VerifierKey], quorum: int
) -> Checkpoint:
    try:
        return checked_head(mirrors.note_of(files), keys, witnesses, quorum)
    except NoteError as error:
        raise CommandRefused(f"The head that comes with the log's files: {error}") from error


def names_in(path: Path) -> Iterator[tuple[bytes, str]]:
    """Leaves of an exported ledger, and what they are of. Raises CommandRefused."""
    try:
        with path.open("rb") as lines:
            for line in lines:
                merchant_id, booked = read_line(line)
                yield booked.leaf(merchant_id), f"{path.name} of {merchant_id} entry {booked.seq}"
    except (OSError, LedgerFileError) as error:
        raise CommandRefused(f"{path}: {error}") from error


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandRefused(f"{path} can't be read: {error}") from error
