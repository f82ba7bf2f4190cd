"""What verifications that come round are told, and what the last one found."""

from collections.abc import Iterator
from datetime import time
from typing import Annotated, Any, Final

import typer

from merchantry.cli.failures import CommandRefused
from merchantry.domain.verification import VerificationStatus
from merchantry.services import verification_run
from merchantry.services.verification_run import MOST_FINDINGS, Finding, Verification
from tenancy.database import PlatformSession

OFF: Final = "off"

VerifyAt = Annotated[
    str,
    typer.Option(
        "--verify-at",
        envvar="MERCHANTRY_VERIFY_AT",
        metavar="HH:MM|off",
        help="When everything is verified, once a day, in the mall's time zone.",
    ),
]
Found = tuple[Verification, list[Finding]]


def time_of_day(text: str, option: str = "--verify-at") -> time | None:
    """What an option such as ``--verify-at`` says; None for off. Raises CommandRefused."""
    if text == OFF:
        return None
    try:
        found = time.fromisoformat(text)
    except ValueError as error:
        raise CommandRefused(f"{option} {text} is no time of day; give one such as 03:00, or off.") from error
    if found.tzinfo is not None:
        raise CommandRefused(f"{option} is in the mall's time zone; leave the zone out.")
    return found


async def last(session: PlatformSession) -> Found:
    """The last verification that ended, and its findings. Raises CommandRefused where there is none."""
    run = await verification_run.last(session)
    if run is None:
        raise CommandRefused("Nothing was verified by itself yet; a worker does it once a day (--verify-at).")
    return run, (await verification_run.findings_of(session, [run.id], limit=MOST_FINDINGS))[run.id]


def document(found: Found) -> dict[str, Any]:
    """As JSON values; hashes are hexadecimal."""
    run, findings = found
    return {
        "clean": run.status is VerificationStatus.CLEAN,
        "started_at": run.started_at.isoformat(),
        "finished_at": run.finished_at.isoformat() if run.finished_at else None,
        "log": None
        if run.log_size is None
        else {"size": str(run.log_size), "root": (run.log_root or b"").hex(), "heads": run.heads},
        "merchants": run.merchants_done,
        "merchants_skipped": run.merchants_skipped,
        "entries": run.entries,
        "findings": run.broken,
        "broken": [{name: getattr(each, name) for name in Finding.__slots__} for each in findings],
    }


def lines(found: Found) -> Iterator[str]:
    """As text."""
    run, findings = found
    for each in findings:
        yield f"{each.merchant}: {each.law}: {each.subject}: counted {each.expected}, stored {each.found}"
    if run.broken > len(findings):
        yield f"and {run.broken - len(findings)} more"
    if run.log_size is not None:
        yield f"{run.log_size} leaves, {run.heads} signed heads, root {(run.log_root or b'').hex()}."
    skipped = f", {run.merchants_skipped} were being restored" if run.merchants_skipped else ""
    yield f"{run.entries} entries of {run.merchants_done} merchants{skipped}: {run.broken or 'no'} laws broken."
    ended = run.finished_at or run.progressed_at
    yield f"Verified from {run.started_at.isoformat()} to {ended.isoformat()}."
