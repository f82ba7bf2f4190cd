"""The directory: merchants, accounts and their rights. And the two metadata collections that the business adds to."""

from sqlalchemy import (
    ARRAY,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)

from tenancy.schemas import ANALYST, MARK, MERCHANT, PLATFORM, PUBLIC

NAMING = {
    "pk": "%(table_name)s_pkey",
    "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
    "uq": "%(table_name)s_%(column_0_N_name)s_key",
    "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    "ck": "%(table_name)s_%(constraint_name)s",
}

platform_metadata = MetaData(schema="platform", naming_convention=NAMING)
merchant_metadata = MetaData(schema=MARK, naming_convention=NAMING)


def grants(**rights: str) -> dict[str, dict[str, str]]:
    """A table's ``info``: who may do what. Keys are platform, merchant, public, analyst; values lists of privileges.

    In a merchant's schema ``merchant`` means that merchant's own role; in ``platform`` it means the group of all of
    them, and a policy shows each only the rows that carry its ``merchant_id``.
    """
    return {"grants": rights}


def wakes(name: str) -> dict[str, str]:
    """A table's ``info`` beside its grants: what ``tenancy.writes.write`` of a row wakes once it is committed."""
    return {"wakes": name}


GRANTEES = {"platform": PLATFORM, "merchant": MERCHANT, "public": PUBLIC, "analyst": ANALYST}

merchant = Table(
    "merchant",
    platform_metadata,
    Column("id", Uuid, primary_key=True),
    Column("slug", Text, nullable=False, unique=True),
    Column("status", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'", name="slug_is_a_host_label"),
    CheckConstraint(
        "status IN ('active', 'suspended', 'closing', 'closed', 'restoring', 'quarantined')",
        name="status_is_known",
    ),
    info=grants(platform="SELECT, UPDATE (status)", public="SELECT", analyst="SELECT"),
)

account = Table(
    "account",
    platform_metadata,
    Column("id", Uuid, primary_key=True),
    Column("issuer", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("email", Text),
    Column("created_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("issuer", "subject"),
    info=grants(platform="SELECT, INSERT, UPDATE (subject, email)"),
)

membership = Table(
    "membership",
    platform_metadata,
    Column("account_id", Uuid, ForeignKey(account.c.id), nullable=False),
    Column("merchant_id", Uuid, ForeignKey(merchant.c.id), nullable=False),
    Column("role", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("merchant_id", "account_id", "role"),
    Index(None, "account_id"),
    info=grants(platform="SELECT, INSERT, DELETE"),
)

platform_role = Table(
    "platform_role",
    platform_metadata,
    Column("account_id", Uuid, ForeignKey(account.c.id), nullable=False),
    Column("role", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("account_id", "role"),
    info=grants(platform="SELECT, INSERT, DELETE"),
)

guest = Table(
    "guest",
    platform_metadata,
    Column("id", Uuid, primary_key=True),
    Column("secret_hash", LargeBinary, nullable=False),
    Column("contact", LargeBinary),
    Column("checkout_id", Uuid),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("claimed_at", DateTime(timezone=True)),
    CheckConstraint("octet_length(secret_hash) = 32", name="hash_is_sha256"),
    Index("guest_unused", "expires_at", postgresql_where="checkout_id IS NULL"),
    info=grants(platform="SELECT, INSERT, UPDATE (contact, checkout_id, expires_at, claimed_at), DELETE"),
)
"""Buyers without an account, of one checkout each: ``id`` is the buyer. Secrets are not kept."""

machine_token = Table(
    "machine_token",
    platform_metadata,
    Column("id", Uuid, primary_key=True),
    Column("merchant_id", Uuid, ForeignKey(merchant.c.id)),
    Column("name", Text, nullable=False),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("secret_hash", LargeBinary, nullable=False),
    Column("previous_hash", LargeBinary),
    Column("previous_until", DateTime(timezone=True)),
    Column("created_by", Uuid, ForeignKey(account.c.id), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True)),
    Column("rotated_at", DateTime(timezone=True)),
    Column("revoked_at", DateTime(timezone=True)),
    Column("last_used_at", DateTime(timezone=True)),
    CheckConstraint("octet_length(secret_hash) = 32 AND octet_length(previous_hash) = 32", name="hashes_are_sha256"),
    CheckConstraint("(previous_hash IS NULL) = (previous_until IS NULL)", name="previous_secret_ends"),
    Index(None, "merchant_id", "created_at", "id"),
    info=grants(
        platform="SELECT, INSERT, UPDATE"
        " (secret_hash, previous_hash, previous_until, rotated_at, revoked_at, last_used_at)"
    ),
)
"""Tokens of machines, of one merchant each; of the platform where ``merchant_id`` is null. Secrets are not kept."""
