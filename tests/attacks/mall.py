"""A small mall whose log was cosigned, opened by a superuser: each attack is a transaction that is taken back."""

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
from sqlalchemy import insert, make_url, text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from merchantry.domain.act import Act
from merchantry.domain.growing_tree import GrowingTree
from merchantry.domain.ledger import Account, Entry, EntryKind, Json, Posting
from merchantry.domain.merkle import leaf_hash
from merchantry.domain.tile import WIDTH, Tile
from merchantry.jobs.sequencing import sequence, sequence_all
from merchantry.services import ledger, log
from merchantry.services.log_entries import verify_entries
from merchantry.services.log_events import verify_events
from merchantry.services.log_laws import LogLaw
from merchantry.services.log_verification import verify_log
from merchantry.tables.log import log_confirmed, log_cosignature
from merchantry.transparency.log_keys import LogKeys
from merchantry.transparency.mirror import MirrorError
from merchantry.transparency.signing import Signer
from merchantry.transparency.trust import Trust, checked_head
from tenancy.database import Database, Transaction
from tenancy.logins import Logins
from tenancy.wire import Wire
from tests.builders import NOON, a_merchant

KEYS = LogKeys.from_seeds("mall.example/log", [bytes(range(32))])
WITNESS = Signer.witness("witness.example/w1", bytes(range(1, 33)))
SLUGS = ("azul", "branca", "carmim")
ENTRIES = 100
"""Of each merchant; enough together for a full tile."""

CONFLICTING = """
SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname)
FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid
WHERE contype IN ('c', 'p', 'u', 'n') AND relname IN
    ('ledger_entry', 'audit_event', 'log_leaf', 'log_tile', 'log_checkpoint', 'log_cosignature', 'log_key')
ORDER BY contype <> 'p', conname
"""
UNIQUE = """
SELECT format('DROP INDEX %s', indexrelid::regclass) FROM pg_index JOIN pg_class ON pg_class.oid = indrelid
WHERE indisunique AND relname IN ('ledger_entry', 'audit_event', 'log_leaf')
"""


class Copied:
    """The log's files as they were when the head was cosigned."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = files

    def read(self, path: str) -> bytes:
        """The file."""
        try:
            return self._files[path]
        except KeyError as error:
            raise MirrorError(f"{path} was not copied") from error


@dataclass(frozen=True)
class Found:
    """What was found: ``by`` the verifier alone or only by what a witness holds; each as merchant, row."""

    by: str | None
    names: tuple[str, ...]


class Attacked(Database):
    """A copy of the database that a superuser holds open: the verifier sees what the superuser has done to it."""

    def __init__(self, logins: Logins, merchants: Mapping[str, UUID], trust: Trust) -> None:
        super().__init__(logins, pool_size=1)
        url = make_url(logins.app).set(username="postgres", password=None)
        self._superuser = create_async_engine(
            url, pool_size=1, max_overflow=0, connect_args={"prepare_threshold": None}
        )
        self.merchants = merchants
        self.trust = trust
        self.connection: AsyncConnection

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Connected, with everything dropped that would refuse what a superuser may do."""
        try:
            async with self._superuser.connect() as self.connection:
                driver = (await self.connection.get_raw_connection()).driver_connection
                assert isinstance(driver, psycopg.AsyncConnection)
                self._wire = Wire(driver)
                for query in (CONFLICTING, UNIQUE):
                    for statement in (await self.connection.execute(text(query))).scalars().all():
                        await self.connection.execute(text(statement))
                await self.connection.commit()
                yield
        finally:
            await self._superuser.dispose()

    @asynccontextmanager
    async def read(self, actor: str) -> AsyncIterator[Transaction]:
        """The transaction in which the attack was made."""
        if not self.connection.in_transaction():
            await self.connection.begin()
        timeouts = {"statement_timeout": "60000", "lock_timeout": "4000"}
        transaction = Transaction(self._wire, self.statements, "", actor, timeouts)
        yield transaction
        transaction.end()

    @asynccontextmanager
    async def attack(self) -> AsyncIterator[AsyncConnection]:
        """What happens in the block is taken back at its end."""
        yield self.connection
        await self.connection.rollback()

    async def look(self, slugs: Collection[str] = SLUGS) -> Found:
        """Verify the log, the audit trail, and the entries of these merchants."""
        tree = await verify_log(self, self.trust)
        broken = [("log", each) for each in tree.broken]
        broken += [("log", each) for each in (await verify_events(self)).broken]
        for slug in slugs:
            async for verified in verify_entries(self, [(self.merchants[slug], slug)]):
                broken += [(slug, each) for each in verified.broken]
        by = "verifier" if any(each.law is not LogLaw.TRUSTED for _, each in broken) else "witness"
        return Found(by if broken else None, tuple(f"{slug} {each.row} {each.expected}" for slug, each in broken))


async def a_cosigned_mall(database: Database) -> Attacked:
    """Three merchants, whose entries came into the log in several rounds, and a head that a witness cosigned."""
    merchants = {slug: (await a_merchant(database, slug)).id for slug in SLUGS}
    for begin in range(0, ENTRIES, 20):
        for merchant_id in merchants.values():
            await _trade(database, merchant_id, range(begin, begin + 20))
        await sequence(database, KEYS, NOON + timedelta(minutes=begin))
    await sequence_all(database, KEYS, NOON)
    names = await _names(database, merchants)
    async with database.read("test") as tx, tx.as_public() as session:
        head = await log.head(session)
        assert head is not None
        note = head.note(KEYS.origin)
        files = {}
        for index in range(-(-head.size // WIDTH)):
            tile = Tile(None, index, min(WIDTH, head.size - index * WIDTH))
            files[tile.path] = await log.tile_body(session, tile, head.size) or b""
    cosignature = WITNESS.cosign(note.text, NOON + timedelta(hours=1))
    async with database.write("test") as tx, tx.as_platform() as platform:
        row = {
            "witness": WITNESS.verifier.name,
            "signature": cosignature.line,
            "cosigned_at": NOON + timedelta(hours=1),
        }
        await platform.execute(insert(log_cosignature), {"size": head.size, **row})
        await platform.execute(insert(log_confirmed), {"size": head.size, "confirmed_at": NOON})
    trusted = checked_head(note.signed([cosignature]), KEYS.verifiers, [WITNESS.verifier], 1)
    trust = Trust(KEYS.verifiers, (WITNESS.verifier,), 1, (trusted,), Copied(files), names)
    return Attacked(database.logins, merchants, trust)


async def _names(database: Database, merchants: Mapping[str, UUID]) -> dict[bytes, str]:
    """What merchants know of their own entries, from copies of their ledgers."""
    names = {}
    for slug, merchant_id in merchants.items():
        async with database.read("test") as tx, tx.as_merchant(merchant_id) as session:
            for seq in range(1, ENTRIES + 1):
                names[(await ledger.entry_of(session, seq)).leaf(merchant_id)] = f"{slug} entry {seq}"
    return names


async def _trade(database: Database, merchant_id: UUID, numbers: range) -> None:
    """An order is captured, released, reserved for a payout, refunded; over and over."""
    async with database.write("test") as tx, tx.as_merchant(merchant_id) as session:
        for number in numbers:
            at = NOON + timedelta(minutes=number)
            await ledger.book(session, _entry(number, at), Act("system:test", at, at + timedelta(seconds=1)))


def _entry(number: int, at: Any) -> Entry:
    amount = 1_000 + 37 * number
    kinds: list[tuple[EntryKind, list[tuple[Account, int]]]] = [
        (
            EntryKind.CAPTURE,
            [
                (Account.BUYER_FUNDS, -amount),
                (Account.MERCHANT_PENDING, amount - 120),
                (Account.PLATFORM_COMMISSION, 120),
            ],
        ),
        (EntryKind.RELEASE, [(Account.MERCHANT_PENDING, -amount), (Account.MERCHANT_AVAILABLE, amount)]),
        (EntryKind.PAYOUT, [(Account.MERCHANT_AVAILABLE, -amount), (Account.IN_PAYOUT, amount)]),
        (EntryKind.REFUND, [(Account.MERCHANT_PENDING, -amount), (Account.REFUNDS, amount)]),
    ]
    kind, parts = kinds[number % 4]
    is_dated = any(account is Account.MERCHANT_AVAILABLE for account, _ in parts)
    postings = tuple(Posting(account, "BRL", minor) for account, minor in parts)
    details: dict[str, Json] = {
        "number": f"1-{number}",
        "charges": [[1200, amount, 0]],
        "note": {"stage": "available", "late": False},
    }
    reverses = number - 2 if kind is EntryKind.REFUND else None
    return Entry(kind, uuid4(), at, at if is_dated else None, reverses, postings, details)


def tree_of(leaves: list[bytes]) -> GrowingTree:
    """The tree over these leaves."""
    tree = GrowingTree()
    for leaf in leaves:
        tree.append(leaf_hash(leaf))
    return tree
