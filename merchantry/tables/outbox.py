"""The outbox: every event, written in the transaction of the change; and how far its readers have come."""

from sqlalchemy import BigInteger, CheckConstraint, Column, Identity, Index, PrimaryKeyConstraint, Table, Uuid

from merchantry.tables.columns import count, document, id_of, instant, words
from tenancy.tables import grants, platform_metadata, wakes

WAKES = "outbox"
"""What a transaction that wrote an event wakes in its own process, once it is committed."""
WRITTEN = "merchant_id, id, kind, version, order_id, facts, words, actor, occurred_at, booked_at"

outbox = Table(
    "outbox",
    platform_metadata,
    id_of("merchant_id"),
    id_of("id"),
    Column("position", BigInteger, Identity(), nullable=False),
    Column("seq", BigInteger),
    words("kind"),
    count("version"),
    Column("order_id", Uuid),
    document("facts"),
    document("words", nullable=True),
    words("actor"),
    instant("occurred_at"),
    instant("booked_at"),
    PrimaryKeyConstraint("merchant_id", "id"),
    Index("outbox_waiting", "position", postgresql_where="seq IS NULL"),
    Index("outbox_numbered", "seq", postgresql_where="seq IS NOT NULL"),
    Index("outbox_of_merchant", "merchant_id", "seq", postgresql_where="seq IS NOT NULL"),
    Index("outbox_of_order", "merchant_id", "order_id", "seq", postgresql_where="order_id IS NOT NULL"),
    info=wakes(WAKES) | grants(platform="SELECT, INSERT, UPDATE (seq), DELETE", merchant=f"SELECT, INSERT ({WRITTEN})"),
)
"""``position`` is drawn when an event is written, ``seq`` is given after its transaction was committed: what has no
``seq`` has not been told to anybody. ``order_id`` is the fact ``order``, by which a buyer's events are found;
``words`` are what notifications say beside the facts; ``actor`` is what kind of actor caused it."""

outbox_head = Table(
    "outbox_head",
    platform_metadata,
    count("id", primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False),
    Column("pruned_to", BigInteger, nullable=False),
    CheckConstraint("id = 1", name="is_one"),
    CheckConstraint("pruned_to BETWEEN 0 AND seq", name="pruned_is_within"),
    info=grants(platform="SELECT, UPDATE", merchant="SELECT"),
)
"""One row: the last ``seq`` that was given, whoever holds the row gives the next; and up to which events are gone."""

outbox_pruned = Table(
    "outbox_pruned",
    platform_metadata,
    id_of("merchant_id", primary_key=True),
    Column("seq", BigInteger, nullable=False),
    info=grants(platform="SELECT, INSERT, UPDATE", merchant="SELECT"),
)
"""The last of a merchant's events that is gone: whoever has read up to there has missed nothing."""

outbox_consumer = Table(
    "outbox_consumer",
    platform_metadata,
    words("name"),
    id_of("merchant_id"),
    Column("seq", BigInteger, nullable=False),
    instant("updated_at"),
    PrimaryKeyConstraint("merchant_id", "name"),
    info=grants(platform="SELECT, INSERT, UPDATE, DELETE"),
)
"""Up to where a worker has read, of one merchant's events or, as NOBODY's, of all."""
