"""Tables of ``platform`` about webhooks: where they go, what they are signed with, what was sent and what came of it.

Rows of the platform's own endpoints have NOBODY as ``merchant_id``.
"""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
)

from merchantry.tables.columns import count, id_of, instant, words
from tenancy.tables import grants, platform_metadata

webhook_endpoint = Table(
    "webhook_endpoint",
    platform_metadata,
    id_of("id", primary_key=True),
    id_of("merchant_id"),
    words("url"),
    words("description"),
    Column("kinds", ARRAY(Text)),
    words("status"),
    words("disabled_by", nullable=True),
    words("disabled_reason", nullable=True),
    Column("since_seq", BigInteger, nullable=False),
    count("failures", server_default="0"),
    instant("failing_since", nullable=True),
    instant("paused_until", nullable=True),
    instant("leased_until", nullable=True),
    instant("created_at"),
    words("created_by"),
    CheckConstraint("status IN ('enabled', 'disabled')", name="status_is_known"),
    CheckConstraint("(status = 'disabled') = (disabled_by IS NOT NULL)", name="disabled_is_explained"),
    CheckConstraint("(failures = 0) = (failing_since IS NULL)", name="failing_since_is_known"),
    Index(None, "merchant_id", "created_at", "id"),
    info=grants(
        platform="SELECT, INSERT, UPDATE, DELETE",
        merchant="SELECT, INSERT, DELETE,"
        " UPDATE (url, description, kinds, status, disabled_by, disabled_reason, since_seq, failures, failing_since,"
        " paused_until)",
    ),
)
"""``kinds`` is null for all. Events up to ``since_seq`` are not sent. One worker at a time sends to an endpoint, until
``leased_until``; ``failures`` are those since the last success, of whatever was sent."""

webhook_secret = Table(
    "webhook_secret",
    platform_metadata,
    id_of("id", primary_key=True),
    id_of("merchant_id"),
    Column("endpoint_id", ForeignKey(webhook_endpoint.c.id, ondelete="CASCADE"), nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    instant("created_at"),
    instant("expires_at", nullable=True),
    Index(None, "endpoint_id"),
    Index(None, "merchant_id", "id"),
    info=grants(
        platform="SELECT, INSERT, UPDATE (sealed, expires_at), DELETE",
        merchant="SELECT, INSERT, UPDATE (sealed, expires_at), DELETE",
    ),
)
"""The newest has no ``expires_at``; while the one before it has not expired, both sign."""

webhook_delivery = Table(
    "webhook_delivery",
    platform_metadata,
    id_of("id", primary_key=True),
    id_of("merchant_id"),
    Column("endpoint_id", ForeignKey(webhook_endpoint.c.id, ondelete="CASCADE"), nullable=False),
    id_of("event_id"),
    Column("seq", BigInteger, nullable=False),
    words("kind"),
    Column("body", LargeBinary, nullable=False),
    words("status"),
    count("attempts", server_default="0"),
    count("failures", server_default="0"),
    instant("next_at", nullable=True),
    instant("created_at"),
    instant("ended_at", nullable=True),
    CheckConstraint("status IN ('waiting', 'delivered', 'failed')", name="status_is_known"),
    CheckConstraint("(status = 'waiting') = (next_at IS NOT NULL)", name="waiting_has_a_moment"),
    CheckConstraint("(status = 'waiting') = (ended_at IS NULL)", name="ended_has_a_moment"),
    Index("webhook_delivery_once", "endpoint_id", "event_id", unique=True),
    Index("webhook_delivery_new", "endpoint_id", "seq", postgresql_where="status = 'waiting' AND attempts = 0"),
    Index("webhook_delivery_again", "endpoint_id", "next_at", postgresql_where="status = 'waiting' AND attempts > 0"),
    Index(None, "merchant_id", "seq", "id"),
    Index(None, "created_at"),
    info=grants(
        platform="SELECT, INSERT, UPDATE, DELETE",
        merchant="SELECT, INSERT, UPDATE (status, failures, next_at, ended_at)",
    ),
)
"""One event at one endpoint. ``attempts`` are all that were made, ``failures`` those since it was last asked for;
``seq`` is the event's, by which first attempts are ordered."""

webhook_attempt = Table(
    "webhook_attempt",
    platform_metadata,
    id_of("merchant_id"),
    id_of("delivery_id"),
    count("number"),
    instant("at"),
    count("milliseconds"),
    count("status", nullable=True),
    words("error", nullable=True),
    words("response", nullable=True),
    PrimaryKeyConstraint("delivery_id", "number"),
    ForeignKeyConstraint(["delivery_id"], [webhook_delivery.c.id], ondelete="CASCADE"),
    info=grants(platform="SELECT, INSERT, DELETE", merchant="SELECT"),
)
"""One request and what was answered: the HTTP status, or the error where there was none."""
