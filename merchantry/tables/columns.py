"""Kinds of columns that many tables share."""

from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Integer, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB


def id_of(name: str, *, nullable: bool = False, **options: Any) -> Column[Any]:
    """A UUID."""
    return Column(name, Uuid, nullable=nullable, **options)


def words(name: str, *, nullable: bool = False, **options: Any) -> Column[Any]:
    """Text."""
    return Column(name, Text, nullable=nullable, **options)


def minor(name: str, *, nullable: bool = False, **options: Any) -> Column[Any]:
    """Money in minor units of the row's currency."""
    return Column(name, BigInteger, nullable=nullable, **options)


def count(name: str, *, nullable: bool = False, **options: Any) -> Column[Any]:
    """A number of things."""
    return Column(name, Integer, nullable=nullable, **options)


def instant(name: str, *, nullable: bool = False) -> Column[Any]:
    """A moment, with its zone."""
    return Column(name, DateTime(timezone=True), nullable=nullable)


def document(name: str, *, nullable: bool = False, **options: Any) -> Column[Any]:
    """JSON that is read as a whole; None is SQL's NULL, not JSON's."""
    return Column(name, JSONB(none_as_null=True), nullable=nullable, **options)


def flag(name: str, *, nullable: bool = False, **options: Any) -> Column[Any]:
    """Yes or no."""
    return Column(name, Boolean, nullable=nullable, **options)
