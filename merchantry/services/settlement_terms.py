"""What the platform's people set about settling: a merchant's terms, and which payouts a person must release."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select

from merchantry.domain.act import Act
from merchantry.domain.errors import InvalidInput
from merchantry.domain.worded import Worded
from merchantry.services import audit
from merchantry.tables.platform import NOBODY, mall
from merchantry.tables.settlement import settlement_terms
from tenancy.database import PlatformSession
from tenancy.writes import Changed, write

MOST_DAYS: Final = 366
WHOLE_BPS: Final = 10_000


@dataclass(frozen=True, slots=True)
class SettlementTerms:
    """A merchant's terms: the smallest payout in minor units by currency, the risk reserve, and days to object."""

    minimum_minor: Mapping[str, int]
    reserve_bps: int
    reserve_days: int
    objection_days: int


@dataclass(frozen=True, slots=True)
class NewTerms:
    """What is to be changed of them; None leaves it as it is."""

    minimum_minor: Mapping[str, int] | None = None
    reserve_bps: int | None = None
    reserve_days: int | None = None
    objection_days: int | None = None


COLUMNS = [settlement_terms.c[name] for name in SettlementTerms.__slots__]


async def set_terms(session: PlatformSession, merchant_id: UUID, wanted: NewTerms, act: Act) -> SettlementTerms:
    """Change a merchant's terms, from the next period that is closed on. Raises InvalidInput."""
    _check(wanted)
    query = select(*COLUMNS).where(settlement_terms.c.merchant_id == merchant_id).with_for_update()
    before = SettlementTerms(**(await session.execute(query)).one()._asdict())
    changes: dict[str, Any] = {name: value for name, value in asdict(wanted).items() if value is not None}
    after = SettlementTerms(**{**asdict(before), **changes})
    if after != before:
        facts = asdict(before), asdict(after)
        await write(
            session,
            Changed(settlement_terms, {"merchant_id": merchant_id}, asdict(after)),
            audit.event(session, merchant_id, act, "settlement_terms.set", str(merchant_id), *facts),
        )
    return after


async def release_limits(session: PlatformSession) -> dict[str, int]:
    """The amounts by currency, in minor units, above which a person must release a payout."""
    return await session.scalar(select(mall.c.release_above_minor)) or {}


async def set_release_limits(session: PlatformSession, limits: Mapping[str, int], act: Act) -> None:
    """Change what a person must release, of payouts planned from now on; a currency left out is never held up.

    Raises InvalidInput.
    """
    _check_amounts(limits, "limits")
    before: dict[str, int] | None = await session.scalar(select(mall.c.release_above_minor).with_for_update())
    await write(
        session,
        Changed(mall, {"id": 1}, {"release_above_minor": dict(limits)}),
        audit.event(session, NOBODY, act, "payout_release_limit.set", "mall", before or {}, dict(limits)),
    )


def _check(wanted: NewTerms) -> None:
    _check_amounts(wanted.minimum_minor or {}, "minimum")
    for name, most in (("reserve_bps", WHOLE_BPS), ("reserve_days", MOST_DAYS), ("objection_days", MOST_DAYS)):
        value = getattr(wanted, name)
        if value is not None and not 0 <= value <= most:
            raise InvalidInput(reason=Worded("Give a whole number from 0 to {most}.", most=most), path=(name,))


def _check_amounts(amounts: Mapping[str, int], name: str) -> None:
    if any(amount < 0 for amount in amounts.values()):
        raise InvalidInput(reason="Give amounts of zero or above.", path=(name,))
