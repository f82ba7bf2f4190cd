"""How far in the public log entries must be before money follows from them: the mall's setting, and its check."""

from collections.abc import Collection
from enum import StrEnum

from sqlalchemy import select

from merchantry.domain.act import Act
from merchantry.services import audit
from merchantry.services.receipt import LogStatus, places
from merchantry.tables.platform import NOBODY, mall
from tenancy.database import MerchantSession, PlatformSession, Session
from tenancy.writes import Changed, write


class LogRequirement(StrEnum):
    """How far entries must be in the public log."""

    NONE = "none"
    """Anywhere: statements and payouts wait for nothing."""
    SIGNED = "signed"
    """Under a signed head."""
    CONFIRMED = "confirmed"
    """Under a head that a quorum of witnesses has cosigned."""


_ENOUGH = {
    LogRequirement.NONE: frozenset(LogStatus),
    LogRequirement.SIGNED: frozenset({LogStatus.SIGNED, LogStatus.CONFIRMED}),
    LogRequirement.CONFIRMED: frozenset({LogStatus.CONFIRMED}),
}


async def in_force(session: Session) -> LogRequirement:
    """The mall's setting."""
    return LogRequirement(await session.scalar(select(mall.c.require_logged)))


async def choose(session: PlatformSession, wanted: LogRequirement, reason: str, act: Act) -> None:
    """Change the setting, for statements that close and payouts that are sent from now on."""
    held = await session.scalar(select(mall.c.require_logged).with_for_update())
    before, after = {"require_logged": held}, {"require_logged": wanted.value, "reason": reason}
    await write(
        session,
        Changed(mall, {"id": 1}, {"require_logged": wanted.value}),
        audit.event(session, NOBODY, act, "log_requirement.set", "mall", before, after),
    )


async def is_met(session: MerchantSession, requirement: LogRequirement, seqs: Collection[int]) -> bool:
    """Whether these entries of the merchant are so far. They come into the log in their order: the last decides."""
    if requirement is LogRequirement.NONE or not seqs:
        return True
    last = max(seqs)
    return (await places(session, [last])).status(last) in _ENOUGH[requirement]
