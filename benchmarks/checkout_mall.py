"""The mall that the checkout benchmark buys in, and what is counted in it."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime

import psycopg
from psycopg import sql

from benchmarks.bare_checkout import CURRENCY, RATE_BPS, Offer, Stall
from benchmarks.installation import Installation, Owner, an_act, provisioned
from merchantry.domain.plan_document import parse_plan
from merchantry.services import catalogue, commission
from merchantry.services import category as product_categories
from merchantry.services.merchant import profiles_of
from merchantry.services.variant import NewVariant
from merchantry.services.verification import merchants_to_verify, verify_books
from merchantry.tables.blueprint import MERCHANT_TABLES, PLATFORM_TABLES
from tenancy.database import Database, MerchantSession
from tenancy.principals import Merchant
from tenancy.schemas import schema_of

CATEGORY = "toys"
PRODUCTS = 4
STOCK = 1_000_000
PLAN = {
    "name": "standard",
    "currency": CURRENCY,
    "base": "goods",
    "hold_days": 7,
    "default": {"rate_bps": RATE_BPS},
}
IN_FORCE_FROM = datetime(2020, 1, 1, tzinfo=UTC)
LOGGED = re.compile(rb"\[(\d+)\] LOG:  (?:statement|execute [^:]*): (.*)")
RELAY = re.compile(rb"SELECT platform\.outbox_head\.seq")
"""What the transaction that numbers events begins with: a worker's, for all checkouts of its moment."""


async def built(installation: Installation, merchants: int) -> list[Stall]:
    """Merchants with a plan in force, each with a few products of which there is always more."""
    made = provisioned(installation.logins, range(1, merchants + 1))
    database = Database(installation.logins, pool_size=2)
    try:
        async with database.write("benchmark") as tx, tx.as_platform() as session:
            await product_categories.create_category(session, CATEGORY, "Toys", an_act())
            await commission.install(session, "standard", parse_plan(PLAN), IN_FORCE_FROM, an_act())
            profiles = await profiles_of(session, [merchant.id for merchant in made])
        stalls = []
        for merchant in made:
            profile, offers = profiles[merchant.id], await _stocked(database, merchant)
            names = profile.number, profile.display_name, profile.legal_name
            stalls.append(Stall(merchant.id, merchant.slug, *names, CATEGORY, offers))
        return stalls
    finally:
        await database.close()


async def _stocked(database: Database, merchant: Merchant) -> tuple[Offer, ...]:
    async with database.write("benchmark") as tx, tx.as_merchant(merchant.id) as session:
        return tuple([await _offered(session, number, STOCK) for number in range(PRODUCTS)])


async def scarce(installation: Installation, stall: Stall, variants: int, pieces: int) -> list[Offer]:
    """More variants of a merchant, of so many pieces each."""
    database = Database(installation.logins, pool_size=1)
    try:
        async with database.write("benchmark") as tx, tx.as_merchant(stall.merchant_id) as session:
            numbers = range(PRODUCTS, PRODUCTS + variants)
            return [await _offered(session, number, pieces) for number in numbers]
    finally:
        await database.close()


async def _offered(session: MerchantSession, number: int, pieces: int) -> Offer:
    price_minor = 1_999 + 1_111 * number
    product_id = await catalogue.create_product(
        session,
        title=f"Kite {number}",
        description="A kite",
        category=CATEGORY,
        image_urls=[],
        variants=[NewVariant(f"SKU-{number}", "One size", {CURRENCY: price_minor}, pieces)],
        act=an_act(),
    )
    await catalogue.publish(session, product_id, an_act())
    (variant,) = (await catalogue.product(session, product_id)).variants
    return Offer(variant.id, price_minor)


async def broken_laws(installation: Installation) -> int:
    """How many laws of the ledger the books break after it all; reads every merchant's."""
    database = Database(installation.logins, pool_size=1)
    try:
        merchants = await merchants_to_verify(database)
        return sum([len(verified.broken) async for verified in verify_books(database, merchants)])
    finally:
        await database.close()


def rows_by_table(owner_url: str, stalls: list[Stall]) -> dict[str, int]:
    """How many rows each table has, merchants' tables together."""
    with psycopg.connect(owner_url) as connection:
        counted = {
            table.name: _count(connection, [("platform", table.name)]) for table in PLATFORM_TABLES.sorted_tables
        }
        for table in MERCHANT_TABLES.sorted_tables:
            tables = [(schema_of(stall.merchant_id), table.name) for stall in stalls]
            counted[f"merchant's {table.name}"] = _count(connection, tables)
    return counted


def _count(connection: Owner, tables: Sequence[tuple[str, str]]) -> int:
    each = [sql.SQL("(SELECT count(*) FROM {})").format(sql.Identifier(*table)) for table in tables]
    row = connection.execute(sql.SQL("SELECT ") + sql.SQL(" + ").join(each)).fetchone()
    return int(row[0]) if row else 0


OVERSOLD = """
SELECT count(*) FROM {schema}.variant
WHERE reserved > on_hand OR reserved <> (
    SELECT coalesce(sum(quantity), 0) FROM {schema}.order_line WHERE variant_id = variant.id)
"""


def oversold_variants(owner_url: str, stalls: list[Stall]) -> int:
    """Of how many variants more is reserved than there is, or other than was ordered; nothing was shipped."""
    with psycopg.connect(owner_url) as connection:
        counted = 0
        for stall in stalls:
            statement = sql.SQL(OVERSOLD).format(schema=sql.Identifier(schema_of(stall.merchant_id)))
            row = connection.execute(statement).fetchone()
            counted += int(row[0]) if row else 0
        return counted


def deadlocks(owner_url: str) -> int:
    """How many the database has seen since it was made."""
    with psycopg.connect(owner_url) as connection:
        statement = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        row = connection.execute(statement).fetchone()
        return int(row[0]) if row else 0


class StatementCounter:
    """Counts what the server was sent between two moments, by its own log: BEGIN and COMMIT too, the relay's not."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._begins_at = 0

    def start(self) -> None:
        """Count from now on."""
        self._log("all")
        self._begins_at = self._installation.log.stat().st_size

    def stop(self) -> int:
        """How many statements there were."""
        with self._installation.log.open("rb") as log:
            log.seek(self._begins_at)
            found = log.read()
        self._log("none")
        transactions: dict[bytes, list[list[bytes]]] = {}
        for process, statement in LOGGED.findall(found):
            of_process = transactions.setdefault(process, [[]])
            if statement.startswith(b"BEGIN"):
                of_process.append([])
            of_process[-1].append(statement)
        return sum(len(each) for of in transactions.values() for each in of if not any(map(RELAY.match, each)))

    def _log(self, what: str) -> None:
        with self._installation.superuser() as connection:
            connection.execute(sql.SQL("ALTER SYSTEM SET log_statement = {}").format(sql.Literal(what)))
            connection.execute("SELECT pg_reload_conf()")
            connection.execute("SELECT pg_sleep(0.2)")  # every backend looks at its settings before its next statement
