"""All rows that a refused request must have left as they were, as digests by table."""

import psycopg
from psycopg import sql

from merchantry.tables.blueprint import MERCHANT_TABLES, PLATFORM_TABLES
from tenancy.logins import Logins
from tenancy.schemas import schema_of
from tests.isolation.world import World

WHOLE = {
    "merchant",
    "merchant_profile",
    "category",
    "checkout",
    "payment",
    "tender",
    "commission_plan",
    "approval_chain",
    "platform_role",
    "mall",
    "settlement_run",
    "coupon_use",
    "tax_rate",
    "bank_statement",
    "bank_line",
    "notification_preference",
    "mail_address",
    "mail",
    "account_setting",
}
"""Tables of ``platform`` of which every row counts; of the others those of the victim do, without refused attempts."""

Digests = dict[str, str]

REFUSALS = {"audit_event": " AND outcome = 'DONE'", "log_queue": " AND kind = 'entry'"}
"""What a refused attempt may leave: its event in the audit trail, and that event's leaf."""


def fingerprint(world: World) -> Digests:
    """Every table of the victim's schema, its rows in ``platform``, and the rows of buyers and of the platform."""
    victim, logins = world.victim.merchant.id, world.mall.database.logins
    queries = [_digest(sql.Identifier(schema_of(victim), table.name)) for table in MERCHANT_TABLES.sorted_tables]
    for table in PLATFORM_TABLES.sorted_tables:
        name = sql.Identifier("platform", table.name)
        if table.name in WHOLE:
            queries.append(_digest(name))
        elif "merchant_id" in table.c:
            where = sql.SQL(" WHERE t.merchant_id = {}").format(sql.Literal(victim))
            queries.append(_digest(name, where + sql.SQL(REFUSALS.get(table.name, ""))))
    return _run(logins, sql.SQL(" UNION ALL ").join(queries))


def _digest(name: sql.Identifier, where: sql.Composable = sql.SQL("")) -> sql.Composed:
    return sql.SQL(
        "SELECT {}, coalesce(md5(string_agg(md5(t::text), '' ORDER BY md5(t::text))), 'empty') FROM {} AS t{}"
    ).format(sql.Literal(name.as_string()), name, where)


def _run(logins: Logins, query: sql.Composed) -> Digests:
    with psycopg.connect(logins.owner) as connection:
        return {str(name): str(digest) for name, digest in connection.execute(query).fetchall()}
