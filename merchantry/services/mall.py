"""The mall itself: the time zone that decides the days of reports."""

from zoneinfo import ZoneInfo

from sqlalchemy import exists, or_, select, update

from merchantry.domain.act import Act
from merchantry.domain.errors import InvalidInput
from merchantry.domain.worded import Worded
from merchantry.services import audit, ledger
from merchantry.services.merchant import zone_of
from merchantry.tables.log import log_leaf, log_queue
from merchantry.tables.platform import NOBODY, mall
from tenancy.database import PlatformSession, Session


async def mall_zone(session: Session) -> ZoneInfo:
    """The time zone that decides the days of reports."""
    return ZoneInfo(await session.scalar(select(mall.c.time_zone)))


async def set_mall_zone(session: PlatformSession, name: str, act: Act) -> None:
    """Choose the mall's time zone. Raises InvalidInput once money has moved: reports count days in it for good."""
    zone_of(name, path=("time_zone",))
    held = await session.scalar(select(mall.c.time_zone).where(mall.c.id == 1).with_for_update())
    if held == name:
        return
    booked = (exists().where(table.c.kind == ledger.ENTRY) for table in (log_queue, log_leaf))
    if await session.scalar(select(or_(*booked))):
        reason = Worded(
            "Money has moved already, so the mall stays in {held}; use that zone, or an empty database.", held=held
        )
        raise InvalidInput(reason=reason, path=("time_zone",))
    await session.execute(update(mall).where(mall.c.id == 1).values(time_zone=name))
    await audit.record(session, NOBODY, act, "mall.set_zone", "mall", {"time_zone": held}, {"time_zone": name})
