"""The public log: its queue, its leaves and full tiles, its signed heads. Only the queue is ever emptied."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Identity,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
)

from merchantry.tables.columns import id_of, instant, words
from tenancy.tables import grants, platform_metadata

READ = "SELECT"
APPEND = "SELECT, INSERT"

SUBJECT = "(kind = 'entry') = (seq IS NOT NULL) AND (kind = 'audit_event') = (event_id IS NOT NULL)"

log_queue = Table(
    "log_queue",
    platform_metadata,
    Column("position", BigInteger, Identity(), nullable=False),
    id_of("merchant_id"),
    words("kind"),
    Column("seq", BigInteger),
    Column("event_id", Uuid),
    Column("leaf", LargeBinary, nullable=False),
    instant("booked_at"),
    PrimaryKeyConstraint("merchant_id", "position"),
    CheckConstraint(SUBJECT, name="subject_is_of_its_kind"),
    CheckConstraint("octet_length(leaf) = 32", name="leaf_is_sha256"),
    Index(None, "position"),
    info=grants(platform="SELECT, INSERT, DELETE", merchant="SELECT, INSERT"),
)
"""Leaves that wait for their place. Of one merchant's entries a lower ``position`` means a lower ``seq``."""

log_leaf = Table(
    "log_leaf",
    platform_metadata,
    Column("leaf_index", BigInteger, primary_key=True, autoincrement=False),
    id_of("merchant_id"),
    words("kind"),
    Column("seq", BigInteger),
    Column("event_id", Uuid),
    Column("leaf", LargeBinary, nullable=False),
    CheckConstraint(SUBJECT, name="subject_is_of_its_kind"),
    CheckConstraint("octet_length(leaf) = 32", name="leaf_is_sha256"),
    Index(None, "merchant_id", "seq", unique=True, postgresql_where="seq IS NOT NULL"),
    Index(None, "merchant_id", "event_id", unique=True, postgresql_where="event_id IS NOT NULL"),
    info=grants(platform=APPEND, merchant=READ, public="SELECT (leaf_index, leaf)"),
)
"""Leaves in their order, from 0 without gaps. Everybody may read them; whose they are, only who they concern."""

log_tile = Table(
    "log_tile",
    platform_metadata,
    Column("level", Integer, nullable=False),
    Column("tile_index", BigInteger, nullable=False),
    Column("hashes", LargeBinary, nullable=False),
    Column("root", LargeBinary, nullable=False),
    PrimaryKeyConstraint("level", "tile_index"),
    CheckConstraint("octet_length(hashes) = 8192", name="tile_is_full"),
    CheckConstraint("octet_length(root) = 32", name="root_is_sha256"),
    info=grants(platform=APPEND, public=READ),
)
"""Full tiles, each with the hash over it; a partial tile is made of the leaves, or the tiles' roots, below it."""

log_checkpoint = Table(
    "log_checkpoint",
    platform_metadata,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("root", LargeBinary, nullable=False),
    Column("signature", Text, nullable=False),
    instant("signed_at"),
    Column("record", LargeBinary),
    CheckConstraint("size >= 0", name="size_is_not_negative"),
    CheckConstraint("octet_length(root) = 32", name="root_is_sha256"),
    Index(None, "signed_at"),
    info=grants(platform=APPEND, merchant=READ, public=READ),
)
"""Heads of the log. ``signature`` is the line under the note, or lines while keys change; ``record`` signs the moment
and the head before (``domain.checkpoint.head_record``)."""

log_cosignature = Table(
    "log_cosignature",
    platform_metadata,
    Column("size", BigInteger, nullable=False),
    words("witness"),
    Column("signature", Text, nullable=False),
    instant("cosigned_at"),
    PrimaryKeyConstraint("size", "witness"),
    info=grants(platform=APPEND, public=READ),
)
"""What witnesses have said of heads; ``witness`` is the name of its key."""

log_confirmed = Table(
    "log_confirmed",
    platform_metadata,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    instant("confirmed_at"),
    info=grants(platform=APPEND, merchant=READ, public=READ),
)
"""Heads that a quorum of witnesses has cosigned."""

log_key = Table(
    "log_key",
    platform_metadata,
    Column("verifier", Text, primary_key=True),
    Column("position", Integer, nullable=False, unique=True),
    instant("added_at"),
    info=grants(platform=APPEND, public=READ),
)
"""Keys that the log signs or has signed with; all have the log's name, which never changes."""
