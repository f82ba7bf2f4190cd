"""What verifications found, as the platform's auditors see it."""

from datetime import datetime
from typing import Final
from uuid import UUID

import strawberry

from graphql_api import access
from graphql_api.context import Info
from graphql_api.enums import VerificationStatus
from graphql_api.relay import Connection, connection_of, encode_id, page
from merchantry.domain.permission import Permission
from merchantry.services import verification_run
from merchantry.tables.platform import NOBODY

SHOWN: Final = 100


@strawberry.type(description="Something that is not right.")
class VerificationFinding:
    merchant: str = strawberry.field(description="A merchant's slug, or log, audit trail or platform.")
    law: str = strawberry.field(description="What must hold and does not.")
    subject: str = strawberry.field(description="The row, entry, leaf, head or right.")
    expected: str = strawberry.field(description="What was counted.")
    found: str = strawberry.field(description="What is stored.")


@strawberry.type(description="One look at the public log, all entries, all books and all rights.")
class Verification:
    id: strawberry.ID
    status: VerificationStatus
    started_at: datetime
    finished_at: datetime | None = strawberry.field(description="Null while it is under way.")
    duration_seconds: int | None = strawberry.field(description="What it took; null while it is under way.")
    log_size: str | None = strawberry.field(description="Leaves of the log; null until it was looked at.")
    log_root: str | None = strawberry.field(description="The root over them, in hexadecimal.")
    merchants: int = strawberry.field(description="Merchants that there were at its beginning.")
    merchants_done: int = strawberry.field(description="Merchants whose books were recounted.")
    merchants_skipped: int = strawberry.field(description="Merchants that were being restored.")
    entries: int = strawberry.field(description="Entries that were read.")
    broken: int = strawberry.field(description="How many findings there are.")
    findings: list[VerificationFinding] = strawberry.field(description="The first hundred of them.")
    case_id: strawberry.ID | None = strawberry.field(description="The case that people were asked by.")

    @staticmethod
    def of(run: verification_run.Verification, findings: list[verification_run.Finding]) -> "Verification":
        """As it stands."""
        took = None if run.finished_at is None else int((run.finished_at - run.started_at).total_seconds())
        return Verification(
            id=encode_id("Verification", run.id),
            status=run.status,
            started_at=run.started_at,
            finished_at=run.finished_at,
            duration_seconds=took,
            log_size=None if run.log_size is None else str(run.log_size),
            log_root=None if run.log_root is None else bytes(run.log_root).hex(),
            merchants=run.merchants,
            merchants_done=run.merchants_done,
            merchants_skipped=run.merchants_skipped,
            entries=run.entries,
            broken=run.broken,
            findings=[
                VerificationFinding(
                    merchant=each.merchant,
                    law=each.law,
                    subject=each.subject,
                    expected=each.expected,
                    found=each.found,
                )
                for each in findings
            ],
            case_id=encode_id("Case", NOBODY, run.case_id) if run.case_id else None,
        )


async def of_platform(info: Info, first: int | None, after: str | None) -> Connection[Verification]:
    """``platform { verifications }``. Raises NotPermitted."""
    allowed = access.of_platform(info.context, Permission.PLATFORM_VERIFICATION_READ)
    asked = page("verifications", (datetime, UUID), first, after)
    async with info.context.database.read(allowed.act.actor) as tx, tx.as_platform() as session:
        runs = await verification_run.page(session, limit=asked.limit, after=asked.after)
        findings = await verification_run.findings_of(session, [each.id for each in runs], limit=SHOWN)
    return connection_of(
        runs,
        asked,
        cursor_of=lambda each: each.cursor,
        node_of=lambda each: Verification.of(each, findings[each.id]),
    )
