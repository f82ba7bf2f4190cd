"""Tables of ``platform`` about buyers' contact data: the key of each piece of it, and requests to erase it."""

from sqlalchemy import Column, Index, LargeBinary, PrimaryKeyConstraint, Table

from merchantry.tables.columns import id_of, instant, words
from tenancy.tables import grants, platform_metadata

contact_key = Table(
    "contact_key",
    platform_metadata,
    id_of("merchant_id"),
    id_of("subject_id"),
    Column("sealed", LargeBinary, nullable=False),
    PrimaryKeyConstraint("merchant_id", "subject_id"),
    info=grants(platform="SELECT, INSERT, UPDATE, DELETE", merchant="SELECT, INSERT, UPDATE (sealed)"),
)
"""The key that opens the contact data of one order, itself sealed with its merchant's data key; of one checkout, with
the platform's (``merchant_id`` is NOBODY). Once a row is deleted, what it opened is lost in every copy of it."""

erasure = Table(
    "erasure",
    platform_metadata,
    id_of("id", primary_key=True),
    id_of("buyer_id"),
    words("requested_by"),
    words("reason"),
    instant("requested_at"),
    instant("done_at", nullable=True),
    Index(None, "buyer_id", "requested_at", "id"),
    info=grants(platform="SELECT, INSERT, UPDATE (done_at)"),
)
"""A request to erase a buyer's contact data; done once nothing is left that has to be kept."""
