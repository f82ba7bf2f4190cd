"""Alembic revisions of schema platform and of every merchant's schema."""
