"""Where a merchant is paid: accounts, sealed so that only a transfer's sender ever sees their numbers.

One account per currency is in use. A change is a new one: it takes the old one's place at once, and is paid to once
its cooling off is over and somebody else has verified it. Until then the currency's payouts wait.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, exists, select, tuple_
from sqlalchemy.exc import DBAPIError

from merchantry.domain.act import Act
from merchantry.domain.case import person
from merchantry.domain.errors import Busy, NotFound, OwnAct
from merchantry.domain.event import EventKind
from merchantry.domain.payee import (
    ALLOWED,
    PayeeAct,
    PayeeKind,
    PayeeStatus,
    masked,
    refuse_unless_allowed,
    usable_from,
)
from merchantry.domain.text import check_text
from merchantry.gateways.payout import Payee
from merchantry.services import audit, outbox
from merchantry.services.payee_details import NewAccount, checked, from_bytes, number_of, to_bytes
from merchantry.services.vault import Vault
from merchantry.tables.merchant_settlement import payee_account
from tenancy.database import MerchantSession, sqlstate
from tenancy.writes import Changed, New, Write, write

UNIQUE_VIOLATION: Final = "23505"
MAX_REASON: Final = 500
SEALED: Final = {"table": payee_account.name, "column": payee_account.c.sealed.name}
"""What a sealed account is bound to, beside merchant and row."""

PAST: Final = {"add": "added", "verify": "verified", "flag": "flagged", "unflag": "unflagged", "retire": "retired"}
"""How the merchant's news call an act."""


@dataclass(frozen=True, slots=True)
class PayeeAccount:
    """An account as people may see it. ``shown`` is what of its number; ``flagged`` is why nothing is paid to it."""

    id: UUID
    kind: PayeeKind
    currency: str
    shown: str
    status: PayeeStatus
    usable_from: datetime
    created_at: datetime
    created_by: str
    verified_at: datetime | None
    verified_by: str | None
    flagged: str | None

    @property
    def cursor(self) -> tuple[datetime, UUID]:
        """What ``after`` of the next page is."""
        return self.created_at, self.id


COLUMNS = [payee_account.c[name] for name in PayeeAccount.__slots__]


async def usable_account(session: MerchantSession, currency: str, at: datetime) -> tuple[UUID, str] | None:
    """The id and kind of the account that money in a currency can be paid to at a moment; None where there is none.

    A new account is used once its cooling off is over and it has been verified.
    """
    table = payee_account.c
    statement = select(table.id, table.kind).where(
        table.currency == currency, table.status == PayeeStatus.VERIFIED.value, table.usable_from <= at
    )
    row = (await session.execute(statement)).one_or_none()
    return (row.id, row.kind) if row else None


async def add_account(
    session: MerchantSession, vault: Vault, new: NewAccount, account_id: UUID, act: Act
) -> PayeeAccount:
    """Take a new account into use for its currency, in the place of the one before.

    The first of a currency needs no cooling off; one that ever had another before it does, whatever became of that.
    Raises InvalidInput, UnknownCurrency; Busy where another is being added at the same time; VaultError.
    """
    payee = checked(new)
    before = await _current(session, new.currency)
    is_first = before is None and await _is_first(session, new.currency)
    sealed = await vault.seal(session, to_bytes(payee), act, row_id=account_id, **SEALED)
    if before:
        await _change(session, before, PayeeAct.RETIRE, PayeeStatus.RETIRED, act)
    row: dict[str, Any] = {
        "id": account_id,
        "kind": new.kind.value,
        "currency": new.currency,
        "shown": masked(number_of(payee)),
        "sealed": sealed,
        "status": PayeeStatus.COOLING.value,
        "usable_from": usable_from(act.booked_at, is_first=is_first),
        "created_at": act.booked_at,
        "created_by": act.actor,
    }
    known = {name: row[name] for name in ("kind", "currency", "shown")}
    known["usable_from"] = row["usable_from"].isoformat()
    try:
        await write(session, New(payee_account, row), *_told(session, account_id, "add", None, known, act))
    except DBAPIError as error:
        if sqlstate(error) == UNIQUE_VIOLATION:
            raise Busy from error
        raise
    return await account(session, account_id)


async def is_account(session: MerchantSession, vault: Vault, account_id: UUID, new: NewAccount) -> bool:
    """Whether an account is the one that is described, by what is sealed of it. Raises NotFound, VaultError."""
    found = await account(session, account_id)
    payee = await _opened(session, vault, found)
    return (found.currency, payee) == (new.currency, checked(new))


async def verify_account(session: MerchantSession, account_id: UUID, act: Act) -> PayeeAccount:
    """Somebody of the platform has made sure that the account is the merchant's.

    Raises NotFound, PayeeAccountRefused, OwnAct for whoever added it.
    """
    found = await _locked(session, account_id)
    _refuse_own(found, act)
    changes = {"verified_at": act.booked_at, "verified_by": act.actor}
    return await _change(session, found, PayeeAct.VERIFY, PayeeStatus.VERIFIED, act, **changes)


async def flag_account(session: MerchantSession, account_id: UUID, reason: str, act: Act) -> PayeeAccount:
    """Nothing more is paid to an account until somebody has looked at it. The merchant reads the reason.

    Raises NotFound, PayeeAccountRefused, InvalidInput.
    """
    check_text(reason, MAX_REASON, ("reason",))
    found = await _locked(session, account_id)
    return await _change(session, found, PayeeAct.FLAG, PayeeStatus.FLAGGED, act, flagged=reason.strip())


async def flag_returned(session: MerchantSession, account_id: UUID, reason: str, act: Act) -> None:
    """As :func:`flag_account`, because money came back from it; one that is flagged or retired stays as it is."""
    found = await _locked(session, account_id)
    if found.status in ALLOWED[PayeeAct.FLAG]:
        await _change(session, found, PayeeAct.FLAG, PayeeStatus.FLAGGED, act, flagged=reason[:MAX_REASON])


async def unflag_account(session: MerchantSession, account_id: UUID, act: Act) -> PayeeAccount:
    """Somebody has looked, and the account is as good as it was before.

    Raises NotFound, PayeeAccountRefused, OwnAct for whoever added it.
    """
    found = await _locked(session, account_id)
    _refuse_own(found, act)
    status = PayeeStatus.VERIFIED if found.verified_at else PayeeStatus.COOLING
    return await _change(session, found, PayeeAct.UNFLAG, status, act, flagged=None)


async def retire_account(session: MerchantSession, account_id: UUID, act: Act) -> PayeeAccount:
    """No payout is planned for the account any more, and none for its currency until there is another.

    Raises NotFound, PayeeAccountRefused.
    """
    found = await _locked(session, account_id)
    return await _change(session, found, PayeeAct.RETIRE, PayeeStatus.RETIRED, act)


async def account(session: MerchantSession, account_id: UUID) -> PayeeAccount:
    """One account, without its number. Raises NotFound."""
    row = (await session.execute(select(*COLUMNS).where(payee_account.c.id == account_id))).one_or_none()
    if row is None:
        raise NotFound(what="payee account", path=("payee_account_id",))
    return _from_row(row)


async def accounts(
    session: MerchantSession, limit: int, after: tuple[datetime, UUID] | None = None
) -> list[PayeeAccount]:
    """The merchant's accounts, retired ones too, newest first, without their numbers."""
    table = payee_account.c
    statement = select(*COLUMNS).order_by(table.created_at.desc(), table.id.desc()).limit(limit)
    if after is not None:
        statement = statement.where(tuple_(table.created_at, table.id) < after)
    return [_from_row(row) for row in await session.execute(statement)]


async def current_accounts(session: MerchantSession) -> list[PayeeAccount]:
    """The accounts in use, one for each currency, by currency."""
    table = payee_account.c
    statement = select(*COLUMNS).where(table.status != PayeeStatus.RETIRED.value).order_by(table.currency)
    return [_from_row(row) for row in await session.execute(statement)]


async def payee_of(session: MerchantSession, vault: Vault, account_id: UUID) -> Payee:
    """The account with its number: for whoever sends a transfer, and for nobody else. Raises NotFound, VaultError.

    Whatever became of the account since: a transfer that was asked for is repeated as it was.
    """
    return await _opened(session, vault, await account(session, account_id))


async def check_payable(session: MerchantSession, account_id: UUID) -> None:
    """Before a payout goes out: raises PayeeAccountRefused while its account is flagged, NotFound."""
    refuse_unless_allowed((await account(session, account_id)).status, PayeeAct.PAY)


async def _opened(session: MerchantSession, vault: Vault, found: PayeeAccount) -> Payee:
    sealed = await session.scalar(select(payee_account.c.sealed).where(payee_account.c.id == found.id))
    return from_bytes(found.kind, await vault.open(session, bytes(sealed), row_id=found.id, **SEALED))


async def _current(session: MerchantSession, currency: str) -> PayeeAccount | None:
    """The account in use, locked: a transfer's return may be about to flag it."""
    table = payee_account.c
    statement = select(*COLUMNS).where(table.currency == currency, table.status != PayeeStatus.RETIRED.value)
    row = (await session.execute(statement.with_for_update())).one_or_none()
    return _from_row(row) if row else None


async def _is_first(session: MerchantSession, currency: str) -> bool:
    return not await session.scalar(select(exists().where(payee_account.c.currency == currency)))


async def _locked(session: MerchantSession, account_id: UUID) -> PayeeAccount:
    statement = select(*COLUMNS).where(payee_account.c.id == account_id).with_for_update()
    row = (await session.execute(statement)).one_or_none()
    if row is None:
        raise NotFound(what="payee account", path=("payee_account_id",))
    return _from_row(row)


def _from_row(row: Row[Any]) -> PayeeAccount:
    return PayeeAccount(**{**row._asdict(), "kind": PayeeKind(row.kind), "status": PayeeStatus(row.status)})


def _refuse_own(found: PayeeAccount, act: Act) -> None:
    if person(act.actor) == person(found.created_by):
        raise OwnAct


async def _change(
    session: MerchantSession, found: PayeeAccount, what: PayeeAct, status: PayeeStatus, act: Act, **changes: Any
) -> PayeeAccount:
    refuse_unless_allowed(found.status, what)
    before: dict[str, Any] = {"status": found.status.value}
    after: dict[str, Any] = {"status": status.value}
    if "flagged" in changes:
        before["flagged"], after["flagged"] = found.flagged, changes["flagged"]
    await write(
        session,
        Changed(payee_account, {"id": found.id}, {"status": status.value, **changes}),
        *_told(session, found.id, what.value, before, after, act),
    )
    return await account(session, found.id)


def _told(
    session: MerchantSession,
    account_id: UUID,
    what: str,
    before: dict[str, Any] | None,
    after: dict[str, Any],
    act: Act,
) -> list[Write]:
    """The act in the audit trail and in the merchant's news; neither knows more of the number than is shown."""
    kind = EventKind(f"payee_account.{PAST[what]}")
    return [
        audit.event(session, session.merchant_id, act, f"payee_account.{what}", str(account_id), before, after),
        *outbox.published(session, kind, {"payee_account": account_id}, act, news=after),
    ]
