"""Exchanges of a merchant's available balance, booked by the platform's people at a rate that they name."""

from sqlalchemy import select

from merchantry.domain import entries
from merchantry.domain import exchange as rules
from merchantry.domain.act import Act
from merchantry.domain.errors import InvalidInput
from merchantry.domain.exchange import Exchange
from merchantry.domain.ledger import Account
from merchantry.domain.money import format_minor
from merchantry.domain.worded import Worded
from merchantry.services import audit, ledger
from merchantry.tables.merchant import balance, counter
from tenancy.database import MerchantSession


async def book(session: MerchantSession, found: Exchange, act: Act) -> int:
    """Book the exchange; returns the entry's ``seq``. Raises InvalidInput for more than is available."""
    await session.execute(select(counter.c.value).where(counter.c.name == "entry").with_for_update())
    available: int | None = await session.scalar(
        select(balance.c.amount_minor).where(
            balance.c.account == Account.MERCHANT_AVAILABLE, balance.c.currency == found.from_currency
        )
    )
    if found.from_minor > (available or 0):
        most = format_minor(max(available or 0, 0), found.from_currency)
        raise InvalidInput(
            reason=Worded(
                "No more than {most} {from_currency} is available.", most=most, from_currency=found.from_currency
            ),
            path=("from",),
        )
    entry = rules.entry(found, occurred_at=act.at)
    seq = await ledger.book(session, entry, act, entries.platform_side(entry, earned=True))
    after = {
        "from": [found.from_minor, found.from_currency],
        "to": [found.to_minor, found.to_currency],
        "rate": found.rate,
        "source": found.source,
    }
    await audit.record(session, session.merchant_id, act, "exchange.book", str(found.id), None, after)
    return seq
