"""What a schema is, as PostgreSQL's catalogues tell it: one row for each fact, comparable between schemas."""

import psycopg

from tenancy.schemas import MARK

Connection = psycopg.Connection[tuple[object, ...]]
Fact = tuple[str, str, str]

FACTS = """
WITH relation AS (
    SELECT pg_class.* FROM pg_class WHERE relnamespace = %(schema)s::text::regnamespace AND relkind NOT IN ('i', 'I')
)
SELECT 'relation' AS kind, relname AS name,
       format('%%s %%s %%s %%s %%s', relkind, relpersistence, reloptions, relrowsecurity, relforcerowsecurity) AS fact
FROM relation
UNION ALL
SELECT 'column', format('%%s.%%s', relname, attname),
       format('%%s %%s %%s %%s %%s %%s', format_type(atttypid, atttypmod), attnotnull, attidentity, attgenerated,
              attcollation::regcollation, pg_get_expr(adbin, adrelid))
FROM relation JOIN pg_attribute ON attrelid = relation.oid AND attnum > 0 AND NOT attisdropped
LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
UNION ALL
SELECT 'constraint', format('%%s.%%s', relname, conname), format('%%s %%s', pg_get_constraintdef(con.oid), convalidated)
FROM relation JOIN pg_constraint con ON conrelid = relation.oid
UNION ALL
SELECT 'index', indexrelid::regclass::text, format('%%s %%s', pg_get_indexdef(indexrelid), indisvalid)
FROM relation JOIN pg_index ON indrelid = relation.oid
UNION ALL
SELECT 'view', relname, pg_get_viewdef(oid) FROM relation WHERE relkind IN ('v', 'm')
UNION ALL
SELECT 'trigger', tgname, pg_get_triggerdef(pg_trigger.oid)
FROM relation JOIN pg_trigger ON tgrelid = relation.oid AND NOT tgisinternal
UNION ALL
SELECT 'policy', format('%%s.%%s', tablename, policyname),
       format('%%s %%s %%s %%s %%s', permissive, roles, cmd, qual, with_check)
FROM pg_policies WHERE schemaname = %(schema)s::text
UNION ALL
SELECT 'grant', relname, format('%%s to %%s %%s', privilege_type, grantee::regrole, is_grantable)
FROM relation, aclexplode(coalesce(relacl, acldefault('r', relowner)))
UNION ALL
SELECT 'grant', format('%%s.%%s', relname, attname),
       format('%%s to %%s %%s', privilege_type, grantee::regrole, is_grantable)
FROM relation JOIN pg_attribute ON attrelid = relation.oid, aclexplode(attacl)
UNION ALL
SELECT 'grant', 'schema', format('%%s to %%s %%s', privilege_type, grantee::regrole, is_grantable)
FROM pg_namespace, aclexplode(nspacl) WHERE nspname = %(schema)s::text
UNION ALL
SELECT 'function', proname, format('%%s %%s', pg_get_functiondef(oid), proacl)
FROM pg_proc WHERE pronamespace = %(schema)s::text::regnamespace
UNION ALL
SELECT 'default grant', defaclrole::regrole::text, defaclacl::text
FROM pg_default_acl WHERE defaclnamespace IN (0, %(schema)s::text::regnamespace)
"""


def facts(connection: Connection, schema: str) -> list[Fact]:
    """All facts of a schema, with the symbolic name in the place of its own. The order of columns is none of them."""
    rows = connection.execute(FACTS, {"schema": schema}).fetchall()
    return sorted(
        (str(kind), str(name).replace(schema, MARK), str(fact).replace(schema, MARK)) for kind, name, fact in rows
    )
