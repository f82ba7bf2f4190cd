"""Whether the database still guards what it is declared to guard: grants, policies, roles, memberships, functions.

Every deviation comes with the statement that mends it. Asked of the catalog, as the owner; changes nothing.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, LiteralString

import psycopg
from sqlalchemy import MetaData, Table

from tenancy.provisioning import OWN_ROWS
from tenancy.rights import Right, granted
from tenancy.schemas import ANALYST, APP, GRANTER, MARK, MERCHANT, PLATFORM, PUBLIC, SchemaName, parse_schema
from tenancy.tables import GRANTEES

Connection = psycopg.Connection[tuple[object, ...]]
Acl = dict[tuple[str, str], set[Right]]
"""Rights by schema and role."""

EVERYBODY: Final = "PUBLIC"
VIEWS: Final = ("posting",)
"""Views of a merchant's schema, which the merchant reads."""

VERSIONS: Final = Right("schema_version", "SELECT")
"""The table of ``platform`` that migrations keep."""

READ_ONLY: Final = frozenset({"closed"})
UNSETTLED: Final = frozenset({"restoring", "quarantined"})
"""Of merchants with these statuses the schema is read-only at times."""


@dataclass(frozen=True, slots=True, order=True)
class Deviation:
    """Something that is not as declared: where, what, and the statement that mends it."""

    where: str
    what: str
    repair: str


RELATIONS: Final[LiteralString] = """
SELECT nspname, relname, coalesce(rolname, 'PUBLIC'), acl.privilege_type, '', acl.is_grantable
FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
CROSS JOIN LATERAL aclexplode(relacl) AS acl LEFT JOIN pg_roles ON pg_roles.oid = acl.grantee
WHERE (nspname = 'platform' OR nspname ~ '^m_[0-9a-f]{32}$') AND acl.grantee <> relowner
UNION ALL
SELECT nspname, relname, coalesce(rolname, 'PUBLIC'), acl.privilege_type, attname, acl.is_grantable
FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid JOIN pg_namespace ON pg_namespace.oid = relnamespace
CROSS JOIN LATERAL aclexplode(attacl) AS acl LEFT JOIN pg_roles ON pg_roles.oid = acl.grantee
WHERE (nspname = 'platform' OR nspname ~ '^m_[0-9a-f]{32}$') AND acl.grantee <> relowner
"""
SPACES: Final[LiteralString] = """
SELECT 'SCHEMA', nspname, coalesce(rolname, 'PUBLIC'), acl.privilege_type FROM pg_namespace
CROSS JOIN LATERAL aclexplode(coalesce(nspacl, acldefault('n', nspowner))) AS acl
LEFT JOIN pg_roles ON pg_roles.oid = acl.grantee
WHERE acl.grantee <> nspowner AND nspname !~ '^pg_' AND nspname <> 'information_schema'
UNION ALL
SELECT 'DATABASE', datname, coalesce(rolname, 'PUBLIC'), acl.privilege_type FROM pg_database
CROSS JOIN LATERAL aclexplode(coalesce(datacl, acldefault('d', datdba))) AS acl
LEFT JOIN pg_roles ON pg_roles.oid = acl.grantee
WHERE acl.grantee <> datdba AND datname = current_database()
"""
ROLES: Final[LiteralString] = """
SELECT rolname, rolcanlogin, rolinherit, rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls,
       coalesce(rolconfig, '{}')
FROM pg_roles WHERE rolname = ANY(%s)
"""
MEMBERS: Final[LiteralString] = """
SELECT granted.rolname, joined.rolname, admin_option, inherit_option, set_option,
       CASE WHEN grantor <> current_user::regrole THEN ' GRANTED BY ' || grantor::regrole ELSE '' END
FROM pg_auth_members AS pair
JOIN pg_roles AS granted ON granted.oid = pair.roleid JOIN pg_roles AS joined ON joined.oid = pair.member
WHERE (granted.rolname = ANY(%(roles)s) OR joined.rolname = ANY(%(roles)s))
  AND (granted.rolname !~ '^m_[0-9a-f]{32}$' OR granted.rolname = ANY(%(roles)s))
  AND (joined.rolname !~ '^m_[0-9a-f]{32}$' OR joined.rolname = ANY(%(roles)s))
  AND joined.rolname NOT IN (current_user, session_user)
  AND NOT EXISTS (SELECT FROM pg_namespace WHERE nspowner = joined.oid AND nspname = 'platform')
"""
OPTIONS: Final = ("ADMIN", "INHERIT", "SET")
POLICIES: Final[LiteralString] = """
SELECT schemaname, tablename, policyname, permissive, roles::text[], cmd, qual, with_check FROM pg_policies
WHERE schemaname = 'platform' OR schemaname ~ '^m_[0-9a-f]{32}$'
"""
TABLES: Final[LiteralString] = """
SELECT nspname, relname, relrowsecurity, relforcerowsecurity, relowner = nspowner
FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE relkind IN ('r', 'p', 'v') AND (nspname = 'platform' OR nspname ~ '^m_[0-9a-f]{32}$')
"""
FUNCTIONS: Final[LiteralString] = """
SELECT pg_proc.oid::regprocedure::text, prosecdef, proowner = nspowner
FROM pg_proc JOIN pg_namespace ON pg_namespace.oid = pronamespace
WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
  AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e')
"""
TRIGGERS: Final[LiteralString] = """
SELECT tgname, tgrelid::regclass::text FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE NOT tgisinternal AND (nspname = 'platform' OR nspname ~ '^m_[0-9a-f]{32}$')
"""
DEFAULTS: Final[LiteralString] = """
SELECT defaclrole::regrole::text, coalesce(nspname, '') FROM pg_default_acl
LEFT JOIN pg_namespace ON pg_namespace.oid = defaclnamespace
"""
STRANGERS: Final[LiteralString] = """
SELECT 'membership', account_id::text FROM platform.membership
WHERE NOT EXISTS (SELECT FROM platform.account WHERE id = account_id)
   OR NOT EXISTS (SELECT FROM platform.merchant WHERE id = merchant_id)
UNION ALL
SELECT 'platform_role', account_id::text FROM platform.platform_role
WHERE NOT EXISTS (SELECT FROM platform.account WHERE id = account_id)
"""


def deviations(connection: Connection, platform: MetaData, merchant: MetaData) -> Iterator[Deviation]:
    """Everything that differs from what the metadata declares, over ``platform`` and every merchant's schema."""
    rows = connection.execute("SELECT 'm_' || replace(id::text, '-', ''), status FROM platform.merchant").fetchall()
    statuses = {parse_schema(str(name)): str(status) for name, status in rows}
    yield from _grants(connection, platform, merchant, statuses)
    yield from _spaces(connection, list(statuses))
    yield from _roles(connection, list(statuses))
    yield from _members(connection, list(statuses))
    yield from _policies(connection, platform)
    yield from _tables(connection, platform)
    yield from _functions(connection)
    for table, account in connection.execute(STRANGERS).fetchall():
        delete = f"DELETE FROM platform.{table} WHERE account_id = '{account}';"  # noqa: S608
        yield Deviation(f"platform.{table}", f"rights of {account}, which is no account or of no merchant", delete)


def _grants(
    connection: Connection, platform: MetaData, merchant: MetaData, statuses: Mapping[SchemaName, str]
) -> Iterator[Deviation]:
    found: Acl = {}
    for schema, table, role, privilege, column, grantable in connection.execute(RELATIONS).fetchall():
        right = Right(str(table), str(privilege), str(column))
        found.setdefault((str(schema), str(role)), set()).add(right)
        if grantable:
            what = f"GRANT OPTION FOR {_privilege(right)} ON {schema}.{table} FROM {role}"
            yield Deviation(f"{schema}.{table}", f"{role} may pass {privilege} on", f"REVOKE {what} CASCADE;")
    expected, optional = _expected(platform, merchant, statuses)
    for key in sorted(expected.keys() | found.keys()):
        schema, role = key
        for right in sorted(found.get(key, set()) - expected.get(key, set()) - optional.get(key, set())):
            revoke = f"REVOKE {_privilege(right)} ON {schema}.{right.table} FROM {role};"
            yield Deviation(f"{schema}.{right.table}", f"{role} may {_privilege(right)}", revoke)
        for right in sorted(expected.get(key, set()) - found.get(key, set())):
            grant = f"GRANT {_privilege(right)} ON {schema}.{right.table} TO {role};"
            yield Deviation(f"{schema}.{right.table}", f"{role} may not {_privilege(right)}", grant)


def _expected(platform: MetaData, merchant: MetaData, statuses: Mapping[SchemaName, str]) -> tuple[Acl, Acl]:
    """Rights that must be there, and rights that may be."""
    expected, optional = _declared(platform, "platform"), Acl()
    expected["platform", PLATFORM].add(VERSIONS)
    own = _declared(merchant, MARK)
    for schema, status in statuses.items():
        for (_, role), rights in own.items():
            key = (schema, schema if role == MARK else role)
            reading = {right for right in rights if right.privilege == "SELECT"}
            expected[key] = reading if status in READ_ONLY | UNSETTLED else set(rights)
            if status in UNSETTLED:
                optional[key] = set(rights)
        expected.setdefault((schema, schema), set()).update(Right(view, "SELECT") for view in VIEWS)
    return expected, optional


def _declared(tables: MetaData, schema: str) -> Acl:
    found: Acl = {}
    for table in tables.sorted_tables:
        for who, grants in table.info.get("grants", {}).items():
            role = MARK if who == "merchant" and schema == MARK else GRANTEES[who]
            found.setdefault((schema, role), set()).update(granted(table, grants))
    return found


def _privilege(right: Right) -> str:
    return f"{right.privilege} ({right.column})" if right.column else right.privilege


def _spaces(connection: Connection, schemas: Iterable[SchemaName]) -> Iterator[Deviation]:
    """Who may connect, and who may use which schema; nobody may make anything."""
    rows = connection.execute(SPACES).fetchall()
    found = {(str(kind), str(name), str(role), str(privilege)) for kind, name, role, privilege in rows}
    database = connection.info.dbname
    expected = {("SCHEMA", "platform", role, "USAGE") for role in (PLATFORM, PUBLIC, MERCHANT, ANALYST)}
    expected |= {("DATABASE", database, role, "CONNECT") for role in (APP, ANALYST)}
    expected |= {("SCHEMA", schema, role, "USAGE") for schema in schemas for role in (schema, ANALYST)}
    harmless = {("SCHEMA", "public", EVERYBODY, "USAGE")}
    for kind, name, role, privilege in sorted(found - expected - harmless):
        yield Deviation(
            f"{kind.lower()} {name}", f"{role} has {privilege}", f"REVOKE {privilege} ON {kind} {name} FROM {role};"
        )
    for kind, name, role, privilege in sorted(expected - found):
        yield Deviation(
            f"{kind.lower()} {name}", f"{role} lacks {privilege}", f"GRANT {privilege} ON {kind} {name} TO {role};"
        )


def _roles(connection: Connection, schemas: list[SchemaName]) -> Iterator[Deviation]:
    """Logins and groups can do nothing by themselves; the analyst only reads."""
    names = [APP, ANALYST, PLATFORM, PUBLIC, MERCHANT, GRANTER, *schemas]
    rows = {str(row[0]): row[1:] for row in connection.execute(ROLES, [names]).fetchall()}
    wanted = {APP: ['search_path=""'], ANALYST: ['search_path=""', "default_transaction_read_only=on"]}
    for name in names:
        where = f"role {name}"
        if name not in rows:
            yield Deviation(where, "there is no such role", f"CREATE ROLE {name};")
            continue
        can_login, inherits, *powers, config = rows[name]
        should = name in (APP, ANALYST)
        if can_login != should:
            yield Deviation(where, "it may log in" if can_login else "it may not log in", _alter(name, "LOGIN", should))
        if name == APP and inherits:
            yield Deviation(where, "it inherits from roles that will be made for it", _alter(name, "INHERIT", False))
        for power, has in zip(("SUPERUSER", "CREATEROLE", "CREATEDB", "REPLICATION", "BYPASSRLS"), powers, strict=True):
            if has:
                yield Deviation(where, f"it has {power}", f"ALTER ROLE {name} NO{power};")
        settings = list(config) if isinstance(config, list) else []
        for setting in sorted({*wanted.get(name, ())} ^ {*settings}):
            variable, _, value = str(setting).partition("=")
            if setting in settings:
                yield Deviation(where, f"it sets {setting}", f"ALTER ROLE {name} RESET {variable};")
            else:
                value = "''" if value == '""' else value
                yield Deviation(where, f"it lacks {setting}", f"ALTER ROLE {name} SET {variable} = {value};")


def _alter(name: str, power: str, should: bool) -> str:
    return f"ALTER ROLE {name} {'' if should else 'NO'}{power};"


def _members(connection: Connection, schemas: list[SchemaName]) -> Iterator[Deviation]:
    """Who may become whom: the program's login everybody, by SET ROLE only; merchants belong to their group, which one
    role may grant.

    Roles are shared by all databases of a server: merchants of another one are not asked about.
    """
    names = [APP, ANALYST, PLATFORM, PUBLIC, MERCHANT, GRANTER, *schemas]
    rows = connection.execute(MEMBERS, {"roles": names}).fetchall()
    by_set, by_inheritance = (False, False, True), (False, True, False)
    expected = {(role, APP): by_set for role in (PLATFORM, PUBLIC, *schemas)}
    expected |= {(MERCHANT, str(schema)): by_inheritance for schema in schemas}
    expected[MERCHANT, GRANTER] = (True, False, False)
    missing = dict(expected)
    for *pair, admin, inherit, by_setting, by in sorted(rows, key=lambda row: (str(row[0]), str(row[1]))):
        group, member = map(str, pair)
        missing.pop((group, member), None)
        right = expected.get((group, member))
        if right is None:
            yield Deviation(f"role {member}", f"it is a member of {group}", f"REVOKE {group} FROM {member}{by};")
        elif right != (admin, inherit, by_setting):
            yield Deviation(f"role {member}", f"it has other rights in {group}", _join(group, member, right, str(by)))
    for (group, member), right in sorted(missing.items()):
        yield Deviation(f"role {member}", f"it is no member of {group}", _join(group, member, right))


def _join(group: str, member: str, options: tuple[bool, bool, bool], by: str = "") -> str:
    what = ", ".join(f"{name} {str(has).upper()}" for name, has in zip(OPTIONS, options, strict=True))
    return f"GRANT {group} TO {member} WITH {what}{by};"


def _policies(connection: Connection, platform: MetaData) -> Iterator[Deviation]:
    """Each shared table shows a merchant its own rows, and has no other policy."""
    expected = {key: value for table in platform.sorted_tables for key, value in _policies_of(table)}
    found = {}
    for schema, table, name, permissive, roles, command, qual, check in connection.execute(POLICIES).fetchall():
        members = frozenset(str(role) for role in roles) if isinstance(roles, list) else frozenset[str]()
        how = (str(permissive), members, str(command), _condition(qual), _condition(check))
        found[f"{schema}.{table}", str(name)] = how
    for table, name in sorted(found.keys() | expected.keys()):
        if found.get((table, name)) == expected.get((table, name)):
            continue
        repair = f"DROP POLICY IF EXISTS {name} ON {table};"
        if (table, name) in expected:
            _, roles, _, qual, _ = expected[table, name]
            condition = OWN_ROWS if qual != "true" else "true"
            repair += f" CREATE POLICY {name} ON {table} TO {', '.join(sorted(roles))}"
            repair += f" USING ({condition}) WITH CHECK ({condition});"
        state = "is missing" if (table, name) not in found else "is not as declared"
        yield Deviation(table, f"policy {name} {state}", repair)


Policy = tuple[str, frozenset[str], str, str, str]


def _policies_of(table: Table) -> Iterator[tuple[tuple[str, str], Policy]]:
    if not _has_policies(table):
        return
    name = f"{table.schema}.{table.name}"
    own = _condition(OWN_ROWS)
    yield (name, "own"), ("PERMISSIVE", frozenset({MERCHANT}), "ALL", own, own)
    others = frozenset(GRANTEES[who] for who in table.info["grants"] if who != "merchant")
    if others:
        yield (name, "everyone"), ("PERMISSIVE", others, "ALL", "true", "true")


def _has_policies(table: Table) -> bool:
    return "merchant" in table.info.get("grants", {}) and "merchant_id" in table.c


def _condition(text: object) -> str:
    """A condition as it reads without the parentheses, casts and blanks that PostgreSQL adds."""
    return "".join(each for each in str(text).lower() if each not in "() ")


def _tables(connection: Connection, platform: MetaData) -> Iterator[Deviation]:
    """Row security is on where it must be, triggers and default privileges are nowhere; all belongs to the owner."""
    guarded = {table.name for table in platform.sorted_tables if _has_policies(table)}
    for schema, table, enabled, forced, is_owners in connection.execute(TABLES).fetchall():
        name = f"{schema}.{table}"
        should = schema == "platform" and table in guarded
        if enabled != should:
            word = "ENABLE" if should else "DISABLE"
            what = "row security is off" if should else "row security is on"
            yield Deviation(name, what, f"ALTER TABLE {name} {word} ROW LEVEL SECURITY;")
        if forced:
            yield Deviation(name, "row security is forced", f"ALTER TABLE {name} NO FORCE ROW LEVEL SECURITY;")
        if not is_owners:
            yield Deviation(name, "it belongs to somebody else", f"ALTER TABLE {name} OWNER TO CURRENT_USER;")
    for trigger, table in connection.execute(TRIGGERS).fetchall():
        yield Deviation(str(table), f"trigger {trigger}", f"DROP TRIGGER {trigger} ON {table};")
    for role, schema in connection.execute(DEFAULTS).fetchall():
        place = f" IN SCHEMA {schema}" if schema else ""
        revoke = f"ALTER DEFAULT PRIVILEGES FOR ROLE {role}{place} REVOKE ALL ON TABLES FROM PUBLIC, {APP}, {ANALYST};"
        yield Deviation(f"role {role}", f"default privileges{place}", revoke)


ALLOWED_FUNCTIONS: Final = frozenset({"platform.is_balanced(text[],text[],bigint[])"})


def _functions(connection: Connection) -> Iterator[Deviation]:
    """The one function of ours computes and reads nothing; another could do what its owner may."""
    for name, is_definer, is_owners in connection.execute(FUNCTIONS).fetchall():
        if name not in ALLOWED_FUNCTIONS:
            yield Deviation(f"function {name}", "it is not of this program", f"DROP FUNCTION {name};")
        elif is_definer or not is_owners:
            repair = f"ALTER FUNCTION {name} SECURITY INVOKER; ALTER FUNCTION {name} OWNER TO CURRENT_USER;"
            yield Deviation(f"function {name}", "it acts as somebody else", repair)
