"""What must exist in a cluster before the first migration: the owner, the group roles, the two other logins."""

from typing import LiteralString, cast

import psycopg
from psycopg import sql

from tenancy.embedded import EmbeddedServer
from tenancy.logins import Logins
from tenancy.schemas import ANALYST, APP, GRANTER, MERCHANT, OWNER, PLATFORM, PUBLIC

LOCK = 0x6D657263
"""Advisory lock that serialises bootstrap, platform migrations and nothing else."""

GROUPS = (PLATFORM, PUBLIC, MERCHANT)
MINIMUM_VERSION = 170_000


SEARCH_PATH = {'search_path=""': "ALTER ROLE {} SET search_path = ''"}
READ_ONLY = {"default_transaction_read_only=on": "ALTER ROLE {} SET default_transaction_read_only = on"}
SETTINGS: dict[str, dict[str, LiteralString]] = {APP: SEARCH_PATH, ANALYST: SEARCH_PATH | READ_ONLY}
"""Of the logins: how ``pg_roles.rolconfig`` shows a setting, and what makes it."""


class DatabaseUnsuitable(Exception):
    """The server can't carry an installation; the message says what to change."""


def create_owner(server: EmbeddedServer, database: str = "merchantry") -> str:
    """Make the owner's login (no superuser) and its database in the embedded server; returns the owner's URL."""
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [OWNER]).fetchone():
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN CREATEROLE CREATEDB").format(sql.Identifier(OWNER)))
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database]).fetchone():
            name, owner = sql.Identifier(database), sql.Identifier(OWNER)
            connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(name, owner))
    return server.url(database, OWNER)


def prepare(logins: Logins) -> None:
    """Create the roles that are missing and set what each login may not do. Safe to repeat and to run at once.

    Raises DatabaseUnsuitable where the server is older than PostgreSQL 17 or the owner may not create roles.
    """
    with psycopg.connect(logins.owner, autocommit=True) as connection:
        if connection.info.server_version < MINIMUM_VERSION:
            raise DatabaseUnsuitable("Merchantry needs PostgreSQL 17 or newer.")
        connection.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        _require_createrole(connection)
        for group in GROUPS:
            _create_role(connection, group, sql.SQL("NOLOGIN"))
        for login in (APP, ANALYST):
            _create_role(connection, login, sql.SQL("LOGIN"))
            _secure_login(connection, login, logins.passwords.get(login))
        _disinherit(connection)
        for group in (PLATFORM, PUBLIC):
            member = sql.SQL("GRANT {} TO {} WITH INHERIT FALSE, SET TRUE")
            connection.execute(member.format(sql.Identifier(group), sql.Identifier(APP)))
        _make_granter(connection)
        _close_database(connection)


def _require_createrole(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    row = connection.execute("SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user").fetchone()
    if row is None or not row[0]:
        raise DatabaseUnsuitable("The login of DATABASE_URL needs CREATEROLE: ALTER ROLE <login> CREATEROLE;")


def _create_role(connection: psycopg.Connection[tuple[object, ...]], name: str, kind: sql.SQL) -> None:
    if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name]).fetchone():
        connection.execute(sql.SQL("CREATE ROLE {} {}").format(sql.Identifier(name), kind))


def _disinherit(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """A role that is made with the program's login as its member is inherited or not as that login is."""
    if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s AND rolinherit", [APP]).fetchone():
        connection.execute(sql.SQL("ALTER ROLE {} NOINHERIT").format(sql.Identifier(APP)))


def _make_granter(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    _create_role(connection, GRANTER, sql.SQL("NOLOGIN"))
    granter, group = sql.Identifier(GRANTER), sql.Identifier(MERCHANT)
    may_grant = sql.SQL("GRANT {} TO {} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE")
    connection.execute(may_grant.format(group, granter))
    connection.execute(sql.SQL("GRANT {} TO CURRENT_USER WITH INHERIT TRUE, SET TRUE").format(granter))


def _secure_login(connection: psycopg.Connection[tuple[object, ...]], login: str, password: str | None) -> None:
    name = sql.Identifier(login)
    if password:
        connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(name, sql.Literal(password)))
    row = connection.execute("SELECT coalesce(rolconfig, '{}') FROM pg_roles WHERE rolname = %s", [login]).fetchone()
    present = row[0] if row else []
    for stored, statement in SETTINGS[login].items():
        # Only what is missing: the role is shared by all databases of the server, and two ALTERs at once fail.
        if stored not in cast(list[str], present):
            connection.execute(sql.SQL(statement).format(name))


def _close_database(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """Nobody but the owner makes temporary tables or anything in schema public."""
    database = sql.Identifier(connection.info.dbname)
    connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database))
    for login in (APP, ANALYST):
        connect = sql.SQL("GRANT CONNECT ON DATABASE {} TO {}")
        connection.execute(connect.format(database, sql.Identifier(login)))
    connection.execute("CREATE SCHEMA IF NOT EXISTS platform")
    for name in (PLATFORM, PUBLIC, MERCHANT, ANALYST):
        connection.execute(sql.SQL("GRANT USAGE ON SCHEMA platform TO {}").format(sql.Identifier(name)))
