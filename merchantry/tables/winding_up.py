"""A table of ``platform`` about merchants that leave."""

from sqlalchemy import Table

from merchantry.tables.columns import id_of, instant, words
from tenancy.tables import grants, platform_metadata

winding_up = Table(
    "winding_up",
    platform_metadata,
    id_of("merchant_id", primary_key=True),
    words("reason"),
    words("begun_by"),
    instant("begun_at"),
    instant("cut_at", nullable=True),
    instant("closed_at", nullable=True),
    info=grants(platform="SELECT, INSERT, UPDATE (cut_at)"),
)
"""``cut_at`` is where the merchant's last period ends; ``closed_at``, when its schema became read-only, is written by
the owner of the tables, who alone can do that."""
