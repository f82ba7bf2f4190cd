"""What people have chosen for themselves."""

from sqlalchemy import ForeignKeyConstraint, Table

from merchantry.tables.columns import id_of, words
from tenancy.tables import account, grants, platform_metadata

account_setting = Table(
    "account_setting",
    platform_metadata,
    id_of("account_id", primary_key=True),
    words("language", nullable=True),
    ForeignKeyConstraint(["account_id"], [account.c.id]),
    info=grants(platform="SELECT, INSERT, UPDATE (language), DELETE"),
)
