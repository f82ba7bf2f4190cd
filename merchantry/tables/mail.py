"""Tables of ``platform`` about mail: where people are written to, and what waits to be sent."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
)

from merchantry.tables.columns import count, id_of, instant, words
from tenancy.tables import account, grants, platform_metadata

mail_address = Table(
    "mail_address",
    platform_metadata,
    id_of("account_id"),
    Column("contact", LargeBinary, nullable=False),
    instant("set_at", nullable=True),
    instant("confirmed_at", nullable=True),
    instant("refused_at", nullable=True),
    words("refused", nullable=True),
    PrimaryKeyConstraint("account_id"),
    ForeignKeyConstraint(["account_id"], [account.c.id]),
    CheckConstraint("confirmed_at IS NULL OR set_at IS NOT NULL", name="confirmed_is_set"),
    CheckConstraint("refused IS NULL OR refused_at IS NOT NULL", name="refused_has_a_moment"),
    info=grants(platform="SELECT, INSERT, UPDATE (contact, set_at, confirmed_at, refused_at, refused), DELETE"),
)
"""``contact`` is sealed under a key in ``contact_key``: the secret of the account's links, and the address that it
gave (``set_at``). Without one, staff are written to at ``account.email``; ``refused`` is the one of these that a mail
server refused."""

mail = Table(
    "mail",
    platform_metadata,
    id_of("id", primary_key=True),
    id_of("account_id"),
    words("kind"),
    Column("events", ARRAY(BigInteger), nullable=False),
    words("status"),
    count("attempts", server_default="0"),
    instant("next_at", nullable=True),
    instant("leased_until", nullable=True),
    instant("created_at"),
    instant("ended_at", nullable=True),
    CheckConstraint("kind IN ('news', 'digest', 'confirmation', 'guest')", name="kind_is_known"),
    CheckConstraint("status IN ('waiting', 'sent', 'failed', 'bad_address', 'dropped')", name="status_is_known"),
    CheckConstraint("(status = 'waiting') = (next_at IS NOT NULL)", name="waiting_has_a_moment"),
    CheckConstraint("(status = 'waiting') = (ended_at IS NULL)", name="ended_has_a_moment"),
    Index("mail_waiting", "next_at", "id", postgresql_where="status = 'waiting'"),
    Index(None, "account_id"),
    Index("mail_ended", "ended_at", postgresql_where="ended_at IS NOT NULL"),
    info=grants(
        platform="SELECT, INSERT, UPDATE (events, status, attempts, next_at, leased_until, ended_at), DELETE",
    ),
)
"""One mail to an account, or to a guest, whose id ``account_id`` is then; what it says is written when it is sent, from
the events with these numbers, and is not kept. ``id`` is made of the account and what the mail is about, and is its
Message-ID. One worker at a time has it, until ``leased_until``."""
