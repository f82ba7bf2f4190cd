"""Categories and listings have texts in several languages; documents have the language that a merchant chose."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0027"
down_revision = "0026"


def upgrade() -> None:
    for table in ("category", "listing"):
        translations = sa.Column(
            "translations", postgresql.JSONB(none_as_null=True), server_default="{}", nullable=False
        )
        op.add_column(table, translations, schema="platform")
    for table, name in (("merchant_profile", "document_language"), ("commission_invoice", "language")):
        language = sa.Column(name, sa.Text(), server_default="en", nullable=False)
        op.add_column(table, language, schema="platform")
