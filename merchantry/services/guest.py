"""Buyers without an account: each is one checkout's buyer, known by a token that they are given at the start.

The token is there before anything is placed, so that placing can be repeated under its key like any buyer's: what is
shown once is not among what a lost answer takes with it.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import delete, exists, func, select, update

from merchantry.domain.act import Act
from merchantry.domain.errors import InvalidInput, NotFound
from merchantry.languages.language import DEFAULT, Language
from merchantry.services import audit, checkout, contact
from merchantry.services.vault import Vault
from merchantry.tables.contact import contact_key, erasure
from merchantry.tables.platform import NOBODY, buyer_order, checkout_quote
from merchantry.tables.platform import checkout as checkout_table
from tenancy.database import PlatformSession
from tenancy.directory import guest_of
from tenancy.machine_tokens import GUEST_PREFIX, new_token
from tenancy.tables import guest
from tenancy.writes import Changed, New, write

UNUSED_LASTS: Final = timedelta(days=1)
"""How long a guest has who has placed nothing yet; then nothing is left of them."""

CHECKOUT: Final = "guest's checkout"
FORGOTTEN_AT_ONCE: Final = 50


@dataclass(frozen=True, slots=True)
class Begun:
    """A new guest, with the token that is shown this once."""

    id: UUID
    token: str
    expires_at: datetime

    def __repr__(self) -> str:
        return f"Begun({self.id})"


@dataclass(frozen=True, slots=True)
class Mailbox:
    """Where a guest's mail goes, what they read, and the token that stands in its links."""

    email: str = field(repr=False)
    language: Language
    token: str | None = field(repr=False)


async def begin(
    session: PlatformSession, guest_id: UUID, email: str, act: Act, *, vault: Vault, language: Language = DEFAULT
) -> Begun:
    """A guest who may place one checkout.

    ``email`` is where their mail goes, sealed like every contact, with what that says: their language, and the token
    that opens their orders.
    """
    await _forget_unused(session, act.booked_at)
    token, secret_hash = new_token(guest_id, GUEST_PREFIX)
    made = Begun(guest_id, token, act.at + UNUSED_LASTS)
    sealed = await contact.seal_for(
        session,
        vault,
        {"email": email, "language": language.value, "token": token},
        act,
        table="guest",
        row_id=guest_id,
    )
    row = {
        "id": guest_id,
        "secret_hash": secret_hash,
        "contact": sealed.contact,
        "created_at": act.at,
        "expires_at": made.expires_at,
    }
    await write(
        session,
        New(guest, row),
        sealed.key,
        audit.event(session, NOBODY, act, "guest.begin", str(guest_id), None, None),
    )
    return made


async def take(session: PlatformSession, guest_id: UUID, checkout_id: UUID, until: datetime) -> None:
    """This is the guest's one checkout; their token opens it until then. Raises InvalidInput where they have one."""
    unused = (guest.c.id == guest_id, guest.c.checkout_id.is_(None))
    taken = update(guest).where(*unused).values(checkout_id=checkout_id, expires_at=until).returning(guest.c.id)
    if (await session.execute(taken)).first() is None:
        raise InvalidInput(reason="A guest has one checkout: begin another, or sign in.", path=("input",))


async def email_of(session: PlatformSession, vault: Vault, guest_id: UUID) -> str | None:
    """Where a guest's mail goes; None once it was erased. Raises VaultError."""
    found = await contact.of_guest(session, vault, guest_id)
    return None if found.address is None else str(found.address["email"])


async def mailbox_of(session: PlatformSession, vault: Vault, guest_id: UUID) -> Mailbox | None:
    """How a guest is written to; None once that was erased, or their orders are an account's. Raises VaultError."""
    found = await contact.of_guest(session, vault, guest_id)
    if found.address is None:
        return None
    given = found.address
    return Mailbox(given["email"], Language(given.get("language", DEFAULT)), given.get("token"))


async def writable(session: PlatformSession, guest_ids: Collection[UUID]) -> set[UUID]:
    """Those of the buyers that are guests with an address."""
    if not guest_ids:
        return set()
    table = guest.c
    found = select(table.id).where(table.id == func.any(list(guest_ids)), table.contact.is_not(None))
    return set((await session.execute(found)).scalars())


async def claim(session: PlatformSession, token: str, account_id: UUID, act: Act) -> UUID:
    """The checkout of a guest becomes an account's, with its orders; the token ends. Returns the checkout's id.

    Raises NotFound, alike for a token that never was, that has ended, without a checkout, and of whom is being erased.
    """
    unknown = NotFound(what=CHECKOUT, path=("input", "token"))
    known = await guest_of(session, token, act.booked_at)
    if known is None:
        raise unknown
    row = (await session.execute(select(guest).where(guest.c.id == known.id).with_for_update())).one()
    being_erased = select(exists().where(erasure.c.buyer_id == known.id, erasure.c.done_at.is_(None)))
    if row.checkout_id is None or row.claimed_at is not None or await session.scalar(being_erased):
        raise unknown
    await checkout.locked(session, row.checkout_id, known.id)
    mine = buyer_order.c.checkout_id == row.checkout_id
    await session.execute(update(buyer_order).where(mine).values(buyer_id=account_id))
    await session.execute(delete(checkout_quote).where(checkout_quote.c.buyer_id == known.id))
    before, after = {"buyer": str(known.id)}, {"buyer": str(account_id)}
    await write(
        session,
        Changed(checkout_table, {"id": row.checkout_id}, {"buyer_id": account_id}),
        Changed(guest, {"id": known.id}, {"claimed_at": act.at, "contact": None}),
        audit.event(session, NOBODY, act, "guest.claim", str(row.checkout_id), before, after),
    )
    await _forget_contacts(session, [known.id])
    return UUID(str(row.checkout_id))


async def checkout_of(session: PlatformSession, guest_id: UUID) -> UUID:
    """The checkout of a guest who has placed one. Raises NotFound."""
    found: UUID | None = await session.scalar(select(guest.c.checkout_id).where(guest.c.id == guest_id))
    if found is None:
        raise NotFound(what=CHECKOUT, path=("input", "token"))
    return found


async def _forget_unused(session: PlatformSession, now: datetime) -> None:
    """Guests who never placed anything, some at a time."""
    table = guest.c
    over = select(table.id).where(table.checkout_id.is_(None), table.expires_at < now).limit(FORGOTTEN_AT_ONCE)
    gone = list((await session.execute(over.with_for_update(skip_locked=True))).scalars())
    if gone:
        await _forget_contacts(session, gone)
        await session.execute(delete(checkout_quote).where(checkout_quote.c.buyer_id.in_(gone)))
        await session.execute(delete(guest).where(table.id.in_(gone)))


async def _forget_contacts(session: PlatformSession, guest_ids: list[UUID]) -> None:
    keys = contact_key.c
    await session.execute(delete(contact_key).where(keys.merchant_id == NOBODY, keys.subject_id.in_(guest_ids)))
