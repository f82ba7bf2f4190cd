"""Another business on the same floor: every merchant has one table of takings. Quick to make by the dozen."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import psycopg
from psycopg import sql
from sqlalchemy import BigInteger, Column, Integer, MetaData, Table

from tenancy.logins import Logins
from tenancy.migrations import Revisions
from tenancy.provisioning import Blueprint, NewMerchant, provision
from tenancy.schemas import MARK, schema_of
from tenancy.tables import NAMING, grants

metadata = MetaData(schema=MARK, naming_convention=NAMING)
takings = Table(
    "takings",
    metadata,
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("amount_minor", BigInteger, nullable=False),
    info=grants(merchant="SELECT, INSERT, UPDATE", analyst="SELECT"),
)
BLUEPRINT = Blueprint(metadata, "", "0001")
AT = datetime(2026, 3, 2, tzinfo=UTC)

REVISION = """
from alembic import op

revision = {revision!r}
down_revision = {before!r}


def upgrade():
    op.execute({statement!r})
"""


def some_stalls(logins: Logins, count: int) -> list[UUID]:
    """Merchants whose ids ascend, so that their order is known."""
    with psycopg.connect(logins.owner) as connection:
        # Roles are the server's, so the ids of tests that run at once must not meet.
        ids = [UUID(int=(_oid(connection) << 32) + number) for number in range(1, count + 1)]
        provision(connection, BLUEPRINT, [NewMerchant(stall, f"stall-{n}", AT) for n, stall in enumerate(ids)])
    return ids


def take(logins: Logins, stall: UUID, day: int, amount_minor: int) -> None:
    """Book takings as the owner."""
    with psycopg.connect(logins.owner) as connection:
        table = sql.Identifier(schema_of(stall), takings.name)
        connection.execute(sql.SQL("INSERT INTO {} VALUES (%s, %s)").format(table), [day, amount_minor])


def revisions(directory: Path, statements: Sequence[str]) -> Revisions:
    """Revision 0001, which the stalls are at, and one more for each statement."""
    (directory / "versions").mkdir(parents=True)
    for number, statement in enumerate(["SELECT 1", *statements], start=1):
        before = f"{number - 1:04}" if number > 1 else None
        text = REVISION.format(revision=f"{number:04}", before=before, statement=statement)
        (directory / "versions" / f"v{number:04}.py").write_text(text)
    return Revisions(directory)


def _oid(connection: psycopg.Connection[tuple[object, ...]]) -> int:
    row = connection.execute("SELECT oid FROM pg_database WHERE datname = current_database()").fetchone()
    return int(str(row and row[0]))
