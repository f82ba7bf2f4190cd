"""An order and its merchant's ledger, both held by one statement: for what books an order's money as its first act."""

from uuid import UUID

from sqlalchemy import select, true

from merchantry.domain.errors import NotFound
from merchantry.domain.order import OrderStatus
from merchantry.services import ledger
from merchantry.services.ledger import Held
from merchantry.services.order import LINE_COLUMNS, LOCK, ORDER_COLUMNS, Line, Order
from merchantry.tables.merchant import order_line
from tenancy.database import MerchantSession

_found = LOCK.cte("found")
_numbered, _held = ledger.holding(after=_found)
_LINES_AT = len(ORDER_COLUMNS)
_HELD_AT = _LINES_AT + len(LINE_COLUMNS)
HOLD = (
    select(*_found.c, *(each.label(f"line_{each.name}") for each in LINE_COLUMNS), *_held)
    .select_from(_found.join(_numbered, true()).join(order_line, order_line.c.order_id == _found.c.id))
    .order_by(order_line.c.position)
)


async def hold(session: MerchantSession, order_id: UUID) -> tuple[Order, Held]:
    """The order, locked, and then the ledger; neither is anybody else's until the transaction ends. Raises NotFound.

    Lines are read as they were before the order was waited for: only for an order that is not paid yet, whose lines
    nothing changes without its status.
    """
    rows = (await session.execute(HOLD, {"order": order_id})).all()
    if not rows:
        raise NotFound(what="order", path=("order_id",))
    lines = tuple(Line(*row[_LINES_AT:_HELD_AT]) for row in rows)
    fields = dict(zip(Order.__slots__, rows[0][:_LINES_AT], strict=False))
    found = Order(**{**fields, "status": OrderStatus(fields["status"])}, lines=lines)
    return found, ledger.held(rows[0].seq, rows[0].balances)
