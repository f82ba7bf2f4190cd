"""What people are told, and how they want to be told."""

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKeyConstraint, Index, PrimaryKeyConstraint, Table

from merchantry.tables.columns import document, id_of, instant, words
from tenancy.tables import account, grants, platform_metadata

OF_MERCHANTS = "(merchant_id, id, kind, subject, created_at)"
"""What a merchant's transaction reaches: not whose a notification is, for merchants don't know their buyers' accounts.
The program before this one writes there, for the merchant as a whole; nobody reads such rows any more."""

notification = Table(
    "notification",
    platform_metadata,
    id_of("merchant_id"),
    id_of("id"),
    words("kind"),
    document("subject"),
    instant("created_at"),
    id_of("account_id", nullable=True),
    words("audience", nullable=True),
    id_of("event_id", nullable=True),
    Column("seq", BigInteger),
    instant("read_at", nullable=True),
    PrimaryKeyConstraint("merchant_id", "id"),
    ForeignKeyConstraint(["account_id"], [account.c.id]),
    CheckConstraint("audience IN ('staff', 'buyer', 'platform')", name="audience_is_known"),
    Index(None, "merchant_id", "created_at", "id"),
    Index(None, "account_id", "seq", unique=True),
    Index("notification_unread", "account_id", postgresql_where="read_at IS NULL AND account_id IS NOT NULL"),
    Index(None, "seq"),
    info=grants(
        platform="SELECT, INSERT, UPDATE (read_at), DELETE", merchant=f"SELECT {OF_MERCHANTS}, INSERT {OF_MERCHANTS}"
    ),
)
"""One row for each account and event: ``id`` is made of both, ``seq`` is the event's, so no event is told twice.
``audience`` is as who the account was told; ``merchant_id`` is NOBODY's where an event is no merchant's."""

notification_preference = Table(
    "notification_preference",
    platform_metadata,
    id_of("account_id"),
    id_of("merchant_id"),
    words("kinds"),
    words("channel"),
    instant("set_at"),
    PrimaryKeyConstraint("account_id", "merchant_id", "kinds"),
    ForeignKeyConstraint(["account_id"], [account.c.id]),
    CheckConstraint("channel IN ('in_app', 'none', 'email', 'both', 'digest')", name="channel_is_known"),
    info=grants(platform="SELECT, INSERT, UPDATE (channel, set_at), DELETE"),
)
"""How an account wants to hear of a group of kinds: at one merchant, or as NOBODY's wherever nothing else is said."""
