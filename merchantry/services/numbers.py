"""Numbers that people read: what stands before the hyphen says whose they are (`100001-S00007`)."""

import re
from uuid import UUID

from sqlalchemy import select

from merchantry.tables.platform import merchant_profile
from tenancy.database import PlatformSession

NUMBER = re.compile(r"([1-9][0-9]{0,8})-[A-Z]?[0-9]{1,12}")


def is_number(text: str) -> bool:
    """Whether a text has the form of such a number."""
    return NUMBER.fullmatch(text) is not None


async def merchant_of(session: PlatformSession, number: str) -> UUID | None:
    """The merchant that the number of an order, statement, invoice or payout belongs to, whether or not it exists."""
    match = NUMBER.fullmatch(number)
    if match is None:
        return None
    query = select(merchant_profile.c.merchant_id).where(merchant_profile.c.number == int(match[1]))
    found: UUID | None = await session.scalar(query)
    return found
