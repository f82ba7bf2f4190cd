"""What the database can't do at this moment, as what a client can do about it."""

from typing import Final

import structlog
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from merchantry.domain.errors import Busy, MarketError, Overloaded, TookTooLong, Unavailable
from tenancy.database import sqlstate

_BY_STATE: Final[dict[str, type[MarketError]]] = {
    "53300": Overloaded,
    "55P03": Busy,
    "57014": TookTooLong,
    "57P01": Unavailable,
    "57P02": Unavailable,
    "57P03": Unavailable,
}
"""https://www.postgresql.org/docs/current/errcodes-appendix.html: too_many_connections, lock_not_available,
query_canceled, admin_shutdown, crash_shutdown, cannot_connect_now."""
_CONNECTION: Final = "08"
"""The class of connection exceptions."""

log = structlog.get_logger()


def outage(cause: BaseException) -> MarketError | None:
    """What to tell of an error that is the moment's fault and not the program's; None for any other."""
    if isinstance(cause, PoolTimeout):
        return _told(Overloaded, cause)
    if not isinstance(cause, DBAPIError):
        return None
    state = sqlstate(cause)
    is_disconnected = cause.connection_invalidated or (isinstance(cause, OperationalError) and state is None)
    if is_disconnected or (state or "").startswith(_CONNECTION):
        return _told(Unavailable, cause)
    return _told(_BY_STATE[state], cause) if state in _BY_STATE else None


def _told(kind: type[MarketError], cause: BaseException) -> MarketError:
    log.warning("outage", code=kind.code, error=type(cause).__name__)
    return kind()
