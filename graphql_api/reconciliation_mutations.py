"""What finance does about statements: takes files, and decides about lines that no rule could match."""

import base64
import binascii
from collections.abc import Awaitable, Callable
from typing import Final, Protocol
from uuid import UUID, uuid4

import strawberry

from graphql_api import access, reconciliation
from graphql_api.access import PlatformAccess
from graphql_api.context import Context, Info
from graphql_api.enums import Borne, FileKind
from graphql_api.problems import mutation
from graphql_api.reconciliation import BankLine
from graphql_api.relay import encode_id, take_id
from merchantry.domain.errors import (
    BankFileInvalid,
    BankLineDecided,
    IdempotencyConflict,
    IdempotencyInProgress,
    InvalidInput,
    MarketError,
    NotFound,
    NotPermitted,
)
from merchantry.domain.permission import Permission
from merchantry.domain.text import check_text
from merchantry.domain.worded import Worded
from merchantry.jobs.reconciliation import Reconciled as Taken
from merchantry.jobs.reconciliation import take_file
from merchantry.services import bank_line
from merchantry.services.bank_line import Matching
from merchantry.services.idempotency import claim
from merchantry.tables.platform import NOBODY
from tenancy.database import Transaction

MAX_CONTENT: Final = 900_000
"""Characters of base64, so that the request stays below what `/graphql` takes (1,000,000 bytes): about a thousand
lines. The command `merchantry reconcile` takes files of up to 32 MiB."""
MAX_NAME: Final = 200
MAX_WORDS: Final = 2_000


@strawberry.input(description="A file that a bank or a provider sent: camt.053, pain.002, or a provider's CSV.")
class ReconcileInput:
    file_name: str = strawberry.field(description="Kept in the audit trail.")
    content: str = strawberry.field(
        description="The file's bytes in base64, at most 900,000 characters; `merchantry reconcile` takes larger ones."
    )
    account: str = strawberry.field(
        default="wallet", description="What our account with a CSV's provider is called; other files say it themselves."
    )
    idempotency_key: str


@strawberry.input(description="Which transfer a line is.")
class BankLineMatchInput:
    line: strawberry.ID
    transfer: str = strawberry.field(description="The transfer's reference.")
    evidence: str = strawberry.field(description="How it is known.")
    difference: Borne | None = strawberry.field(
        default=None, description="Where the amounts differ: who bears that. The payout ends all the same."
    )
    idempotency_key: str


@strawberry.input(description="A line that is about no transfer of ours, or was put right with the bank.")
class BankLineDismissInput:
    line: strawberry.ID
    reason: str
    idempotency_key: str


@strawberry.type(description="What this request did; a file that is taken again does what is left of it.")
class Reconciled:
    kind: FileKind
    statements: int
    repeated: int = strawberry.field(description="Statements that had been taken before.")
    lines: int
    matched: int
    returned: int
    unmatched: int
    answers: int = strawberry.field(description="Transfers that a status report spoke of.")
    cases: list[strawberry.ID] = strawberry.field(description="Cases about what does not fit.")


@strawberry.type(description="The line is the transfer's, and what follows is booked.")
class BankLineMatched:
    line: BankLine


@strawberry.type(description="Nobody needs to look at the line any more.")
class BankLineDismissed:
    line: BankLine


EXPECTED: list[type[MarketError]] = [NotPermitted, InvalidInput, IdempotencyConflict, IdempotencyInProgress]


class OfLine(Protocol):
    """An input about a line."""

    line: strawberry.ID
    idempotency_key: str


Work = Callable[[Transaction, UUID, int], Awaitable[None]]


@strawberry.type
class ReconciliationMutations:
    @mutation(problems=[*EXPECTED, BankFileInvalid])
    async def reconcile(self, info: Info, input: ReconcileInput) -> Reconciled:
        """Match a statement's lines with payouts and ledger, or hear a status report. Needs
        platform.reconciliation.write."""
        context = info.context
        allowed = access.of_platform(context, Permission.PLATFORM_RECONCILIATION_WRITE)
        check_text(input.file_name, MAX_NAME, ("input", "fileName"))
        check_text(input.account, MAX_NAME, ("input", "account"))
        data, request = _decoded(input.content), access.request("reconcile", input)

        async def keep_key(tx: Transaction) -> None:
            async with tx.as_platform() as session:
                await claim(session, NOBODY, allowed.act, request, uuid4())

        # The file is taken in many transactions, each of which finds its work done when it is repeated.
        await context.database.run(allowed.act.actor, keep_key)
        try:
            taken = await take_file(
                context.database, data, allowed.act, file_name=input.file_name, account=input.account
            )
        except BankFileInvalid as error:
            error.path = ("input", "content")
            raise
        return _reconciled(taken)

    @mutation(problems=[*EXPECTED, NotFound, BankLineDecided])
    async def bank_line_match(self, info: Info, input: BankLineMatchInput) -> BankLineMatched:
        """Say which transfer an unmatched line is; money that came in is its return. Its case ends. Needs
        platform.reconciliation.write."""
        allowed = access.of_platform(info.context, Permission.PLATFORM_RECONCILIATION_WRITE)
        check_text(input.transfer, MAX_NAME, ("input", "transfer"))
        check_text(input.evidence, MAX_WORDS, ("input", "evidence"))

        async def work(tx: Transaction, statement_id: UUID, position: int) -> None:
            said = Matching(input.transfer.strip(), input.evidence.strip(), input.difference)
            await bank_line.match(tx, statement_id, position, said, allowed.act)

        return BankLineMatched(line=await _done(info.context, allowed, "bankLineMatch", input, work))

    @mutation(problems=[*EXPECTED, NotFound, BankLineDecided])
    async def bank_line_dismiss(self, info: Info, input: BankLineDismissInput) -> BankLineDismissed:
        """Say why nobody needs to look at an unmatched line; nothing is booked. Its case ends. Needs
        platform.reconciliation.write."""
        allowed = access.of_platform(info.context, Permission.PLATFORM_RECONCILIATION_WRITE)
        check_text(input.reason, MAX_WORDS, ("input", "reason"))

        async def work(tx: Transaction, statement_id: UUID, position: int) -> None:
            async with tx.as_platform() as session:
                await bank_line.dismiss(session, statement_id, position, input.reason.strip(), allowed.act)

        return BankLineDismissed(line=await _done(info.context, allowed, "bankLineDismiss", input, work))


def _decoded(content: str) -> bytes:
    if not 0 < len(content) <= MAX_CONTENT:
        reason = Worded(
            "Send 1 to {most} characters; the command `merchantry reconcile` takes larger files.", most=MAX_CONTENT
        )
        raise InvalidInput(reason=reason, path=("input", "content"))
    try:
        return base64.b64decode(content, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidInput(reason="Send the file's bytes in base64 (RFC 4648).", path=("input", "content")) from None


def _reconciled(taken: Taken) -> Reconciled:
    return Reconciled(
        kind=taken.kind,
        statements=taken.statements,
        repeated=taken.repeated,
        lines=taken.lines,
        matched=taken.matched,
        returned=taken.returned,
        unmatched=taken.unmatched,
        answers=taken.answers,
        cases=[encode_id("Case", NOBODY, each) for each in taken.cases],
    )


async def _done(context: Context, allowed: PlatformAccess, name: str, given: OfLine, work: Work) -> BankLine:
    """Do it once for the key; the line as it is then."""
    path = ("input", "line")
    parts = take_id(context, given.line, "BankLine", 2, path)
    (statement_id, position), request = reconciliation.line_key(parts, path), access.request(name, given)

    async def once(tx: Transaction) -> None:
        async with tx.as_platform() as session:
            if await claim(session, NOBODY, allowed.act, request, statement_id):
                return
        await work(tx, statement_id, position)

    await context.database.run(allowed.act.actor, once)
    found = await reconciliation.find_line(context, statement_id, position)
    if found is None:
        raise NotFound(what="bank line", path=path)
    return found
