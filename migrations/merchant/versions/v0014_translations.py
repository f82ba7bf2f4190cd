"""Products have texts in several languages; statements keep the language that they are written in."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    translations = sa.Column("translations", postgresql.JSONB(none_as_null=True), server_default="{}", nullable=False)
    op.add_column("product", translations, schema="__merchant__")
    language = sa.Column("language", sa.Text(), server_default="en", nullable=False)
    op.add_column("statement", language, schema="__merchant__")
