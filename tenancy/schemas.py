"""Names of roles and schemas. A merchant's schema and its role bear the same name, ``m_<uuid hex>``."""

import re
from typing import NewType
from uuid import UUID

MARK = "__merchant__"
"""The symbolic schema: the token that statements, revisions and grants use for "this merchant's schema" (and role)."""

OWNER = "merchantry_owner"
APP = "merchantry_app"
ANALYST = "merchantry_analyst"
PLATFORM = "merchantry_platform"
PUBLIC = "merchantry_public"
MERCHANT = "merchantry_merchant"
GRANTER = "merchantry_granter"
"""Adds new merchants' roles to ``MERCHANT``. The owner becomes it for that: before PostgreSQL lets anybody grant a role
it goes through all roles that the grantor belongs to, and the owner belongs to every merchant's."""

SchemaName = NewType("SchemaName", str)
"""A name that :func:`schema_of` or :func:`parse_schema` made, so it is safe inside an SQL text."""

_SCHEMA = re.compile(r"m_[0-9a-f]{32}", re.ASCII)


def schema_of(merchant_id: UUID) -> SchemaName:
    """The schema (and role) of a merchant."""
    return SchemaName(f"m_{merchant_id.hex}")


def parse_schema(text: str) -> SchemaName:
    """Accept a schema's name that came from outside. Raises ValueError for anything but ``m_`` and 32 hex digits."""
    if not _SCHEMA.fullmatch(text):
        raise ValueError(f"not the name of a merchant's schema: {text!r}")
    return SchemaName(text)
