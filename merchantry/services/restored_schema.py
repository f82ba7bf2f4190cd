"""A merchant's schema made from a backup's file, as the owner of the tables: in one transaction, or not at all."""

from collections.abc import Callable
from typing import Final
from uuid import UUID

from psycopg import sql

from merchantry.services.backup_content import OWN, Counted, TableContent, tables_of
from merchantry.tables.blueprint import merchant_revisions
from merchantry.vault.container import FileDamaged, Reader
from merchantry.vault.keys import MasterKeys
from tenancy import replacing
from tenancy.read_only import make_read_only
from tenancy.replacing import Connection
from tenancy.schemas import MARK, SchemaName, schema_of

NUMBERS: Final[dict[str, sql.SQL]] = {
    "entry": sql.SQL(
        "SELECT coalesce(max(seq), 0) FROM (SELECT seq FROM platform.log_queue WHERE merchant_id = %(m)s"
        " UNION ALL SELECT seq FROM platform.log_leaf WHERE merchant_id = %(m)s"
        " UNION ALL SELECT seq FROM platform.platform_entry WHERE merchant_id = %(m)s) AS known"
    ),
    "order": sql.SQL(
        "SELECT coalesce(max(split_part(number, '-', 2)::bigint), 0) FROM platform.buyer_order"
        " WHERE merchant_id = %(m)s"
    ),
    "payout": sql.SQL(
        "SELECT coalesce(max(substr(split_part(number, '-', 2), 2)::bigint), 0) FROM platform.payout"
        " WHERE merchant_id = %(m)s"
    ),
    "statement": sql.SQL(
        "SELECT coalesce(max(substr(split_part(statement_number, '-', 2), 2)::bigint), 0)"
        " FROM platform.commission_invoice WHERE merchant_id = %(m)s"
    ),
    "invoice": sql.SQL(
        "SELECT coalesce(max(substr(split_part(number, '-', 2), 2)::bigint), 0) FROM platform.commission_invoice"
        " WHERE merchant_id = %(m)s AND kind = 'invoice'"
    ),
    "credit_note": sql.SQL(
        "SELECT coalesce(max(substr(split_part(number, '-', 2), 2)::bigint), 0) FROM platform.commission_invoice"
        " WHERE merchant_id = %(m)s AND kind = 'credit_note'"
    ),
    "self_billed": sql.SQL(
        "SELECT coalesce(max(substr(split_part(number, '-', 2), 2)::bigint), 0) FROM platform.commission_invoice"
        " WHERE merchant_id = %(m)s AND kind = 'self_billed'"
    ),
    "self_billed_credit": sql.SQL(
        "SELECT coalesce(max(substr(split_part(number, '-', 2), 2)::bigint), 0) FROM platform.commission_invoice"
        " WHERE merchant_id = %(m)s AND kind = 'self_billed_credit'"
    ),
}
"""What a counter must not fall behind, because the platform has seen it: no number is ever given twice."""

Progress = Callable[[int, int], None]


class Diverged(Exception):
    """The file does not go on where the books end: it holds other entries under the same numbers."""


def counted(reader: Reader) -> list[Counted]:
    """The tables that a file's manifest names. Raises FileDamaged."""
    found = reader.manifest.get("tables")
    if not isinstance(found, list):
        raise FileDamaged("The manifest names no tables.")
    return [Counted.of(each) for each in found]


def prove(reader: Reader, ring: MasterKeys | None) -> None:
    """Read the whole file once, so that nothing is begun with one that is not whole. Raises FileDamaged, VaultError."""
    for table in tables_of(reader.content(ring), counted(reader)):
        for _ in table.pieces:
            pass


def fill(
    connection: Connection, merchant_id: UUID, reader: Reader, ring: MasterKeys | None, progress: Progress
) -> None:
    """Make the merchant's schema, of the file's version, fill it and migrate it; nobody can write in it yet.

    The caller commits. Raises FileDamaged, UnknownVersion, psycopg.Error.
    """
    schema, version = schema_of(merchant_id), str(reader.manifest["version"])
    revisions = merchant_revisions()
    replacing.make_schema(connection, schema, revisions.render("base", version))
    replacing.read_text_form(connection)
    manifest = counted(reader)
    own = sum(each.place == OWN for each in manifest)
    done = 0
    for table, expected in zip(tables_of(reader.content(ring), manifest), manifest, strict=True):
        if table.place == OWN:
            _load(connection, schema, table, expected)
            done += 1
            progress(done, own)
        else:
            for _ in table.pieces:
                pass
    script = revisions.render(version).replace(MARK, schema)
    if script.strip():
        connection.execute(script.encode())
        make_read_only(connection, schema)
    connection.execute("UPDATE platform.merchant SET version = %s WHERE id = %s", [revisions.head, merchant_id])
    _count_on(connection, merchant_id, schema)


def _load(connection: Connection, schema: SchemaName, table: TableContent, expected: Counted) -> None:
    rows = replacing.load(connection, schema, table.shape, table.pieces, is_new=True)
    if rows != expected.rows:
        raise FileDamaged(f"The table {expected.name} has {rows} rows, and the manifest says {expected.rows}.")


def _count_on(connection: Connection, merchant_id: UUID, schema: SchemaName) -> None:
    for name, known in NUMBERS.items():
        statement = sql.SQL("UPDATE {} SET value = greatest(value, ({})) WHERE name = %(name)s").format(
            sql.Identifier(schema, "counter"), known
        )
        connection.execute(statement, {"m": merchant_id, "name": name})


def refuse_divergence(connection: Connection, schema: SchemaName, before: str) -> None:
    """Every entry of the books before must be in the new ones, bit for bit. Raises Diverged."""
    names = [sql.Identifier(each, "ledger_entry") for each in (before, schema)]
    columns = (
        "seq, kind, order_id, occurred_at, booked_at, available_at, reverses, account, currency, amount, details,"
        " salt, balance_after, balance_salt"
    )
    statement = sql.SQL(
        "SELECT seq FROM (SELECT {0} FROM {1} EXCEPT SELECT {0} FROM {2}) AS other ORDER BY seq LIMIT 1"
    )
    row = connection.execute(statement.format(sql.SQL(columns), *names)).fetchone()
    if row is not None:
        raise Diverged(f"The file does not hold entry {row[0]} as it stands in the books, so nothing can be replayed.")
