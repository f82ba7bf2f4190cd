"""Batches: transfers of many merchants that go out together, such as one file for the bank, gathered once."""

from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from uuid import UUID, uuid4

from sqlalchemy import and_, bindparam, insert, select, tuple_, update

from merchantry.domain.act import Act
from merchantry.gateways.payout import Batch, Instruction
from merchantry.services import audit, payee
from merchantry.services.vault import Vault
from merchantry.tables.payout import payout, payout_batch, payout_instruction
from merchantry.tables.platform import NOBODY
from tenancy.database import PlatformSession, Transaction

BATCHED = frozenset({"bank"})
"""Providers that take many transfers at once."""

LARGEST = 1_000
"""Transfers in one batch."""


@dataclass(frozen=True, slots=True)
class Part:
    """One transfer of a batch."""

    merchant_id: UUID
    instruction: Instruction


@dataclass(frozen=True, slots=True)
class BatchToSend:
    """A batch with its transfers, the same each time."""

    batch: Batch
    parts: tuple[Part, ...]


_JOINED = payout_instruction.join(
    payout,
    (payout.c.merchant_id == payout_instruction.c.merchant_id) & (payout.c.id == payout_instruction.c.payout_id),
)
_WAITING = and_(payout.c.provider == bindparam("provider"), payout_instruction.c.status == "created")
CURRENCIES = select(payout.c.currency).distinct().select_from(_JOINED).where(_WAITING).order_by(payout.c.currency)
WAITING = (
    select(payout_instruction.c.merchant_id, payout_instruction.c.key, payout_instruction.c.amount_minor)
    .select_from(_JOINED)
    .where(_WAITING, payout.c.currency == bindparam("currency"))
    .order_by(payout_instruction.c.created_at, payout_instruction.c.key)
    .limit(LARGEST)
    .with_for_update(of=payout_instruction, skip_locked=True)
)
MEMBERS = (
    select(
        payout_instruction.c.merchant_id,
        payout_instruction.c.key,
        payout_instruction.c.amount_minor,
        payout_instruction.c.reference,
        payout.c.currency,
        payout.c.payee_account_id,
    )
    .select_from(_JOINED)
    .where(payout_instruction.c.batch_id == bindparam("batch"))
    .order_by(payout_instruction.c.merchant_id, payout_instruction.c.key)
)


async def gather(tx: Transaction, provider: str, act: Act) -> list[UUID]:
    """Put all transfers that wait for a provider into batches of one currency; they count as asked for from now on."""
    made = []
    async with tx.as_platform() as session:
        currencies = list((await session.execute(CURRENCIES, {"provider": provider})).scalars())
        for currency in currencies:
            while batch_id := await _gather(session, provider, currency, act):
                made.append(batch_id)
    return made


async def _gather(session: PlatformSession, provider: str, currency: str, act: Act) -> UUID | None:
    rows = (await session.execute(WAITING, {"provider": provider, "currency": currency})).all()
    if not rows:
        return None
    row = {
        "id": uuid4(),
        "provider": provider,
        "currency": currency,
        "execute_on": act.booked_at.date(),
        "created_at": act.booked_at,
        "instructions": len(rows),
        "total_minor": sum(each.amount_minor for each in rows),
    }
    await session.execute(insert(payout_batch).values(row))
    table = payout_instruction.c
    await session.execute(
        update(payout_instruction)
        .where(tuple_(table.merchant_id, table.key).in_([(each.merchant_id, each.key) for each in rows]))
        .values(status="asked", asked_at=act.booked_at, batch_id=row["id"])
    )
    after = {"provider": provider, "currency": currency, "instructions": len(rows), "total_minor": row["total_minor"]}
    await audit.record(session, NOBODY, act, "payout_batch.gather", str(row["id"]), None, after)
    return UUID(str(row["id"]))


async def unsent(tx: Transaction, provider: str, vault: Vault) -> list[BatchToSend]:
    """Batches that were gathered and have not gone out for certain, the oldest first, with payees decrypted."""
    table = payout_batch.c
    statement = (
        select(payout_batch).where(table.provider == provider, table.sent_at.is_(None)).order_by(table.created_at)
    )
    found = []
    async with tx.as_platform() as session:
        batches = (await session.execute(statement)).all()
        members = {row.id: (await session.execute(MEMBERS, {"batch": row.id})).all() for row in batches}
    for row in batches:
        parts = []
        for merchant_id, own in groupby(members[row.id], key=lambda member: member.merchant_id):
            async with tx.as_merchant(merchant_id) as merchant_session:
                for each in own:
                    account = await payee.payee_of(merchant_session, vault, each.payee_account_id)
                    made = Instruction(each.key, each.amount_minor, each.currency, account, each.reference)
                    parts.append(Part(merchant_id, made))
        found.append(BatchToSend(Batch(row.id, row.created_at, row.currency, row.execute_on), tuple(parts)))
    return found


async def mark_sent(tx: Transaction, batch_id: UUID, at: datetime) -> None:
    """The provider has the batch."""
    async with tx.as_platform() as session:
        await session.execute(update(payout_batch).where(payout_batch.c.id == batch_id).values(sent_at=at))


async def payouts(session: PlatformSession, batch_id: UUID) -> list[tuple[UUID, UUID]]:
    """The payouts that a batch has transfers of: merchant and id."""
    table = payout_instruction.c
    chosen = select(table.merchant_id, table.payout_id).where(table.batch_id == batch_id).distinct()
    rows = await session.execute(chosen.order_by(table.merchant_id, table.payout_id))
    return [(row.merchant_id, row.payout_id) for row in rows]


async def members(session: PlatformSession, batch_id: UUID) -> list[tuple[UUID, UUID, str]]:
    """The transfers of a batch: merchant, key, reference."""
    rows = await session.execute(MEMBERS, {"batch": batch_id})
    return [(row.merchant_id, row.key, row.reference) for row in rows]
