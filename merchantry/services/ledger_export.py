"""A merchant's ledger as a file that can be audited without us: every entry with its salts, one JSON object a line."""

from collections.abc import AsyncIterator
from typing import Final

import orjson
from sqlalchemy import select

from merchantry.domain.ledger_audit import exported
from merchantry.services.ledger import booked
from merchantry.services.receipt import parts_of
from merchantry.tables.merchant import ledger_entry
from tenancy.database import MerchantSession

PAGE: Final = 1_000


async def ledger_lines(session: MerchantSession) -> AsyncIterator[bytes]:
    """Every entry, oldest first, each as a line with its newline."""
    last = 0
    while True:
        page = select(ledger_entry).where(ledger_entry.c.seq > last).order_by(ledger_entry.c.seq).limit(PAGE)
        rows = (await session.execute(page)).all()
        for row in rows:
            parts = parts_of(booked(row), session.merchant_id, for_buyer=False)
            if parts is None:
                raise LookupError(f"entry {row.seq} has no receipt")
            yield orjson.dumps(exported(*parts), option=orjson.OPT_APPEND_NEWLINE)
        if len(rows) < PAGE:
            return
        last = rows[-1].seq
