"""Moments as clients send them: with their zone, so that no machine's clock has a say in what is meant."""

from datetime import UTC, datetime
from operator import methodcaller

import strawberry
from graphql import GraphQLError
from strawberry.types.scalar import ScalarDefinition

MAX_LENGTH = 40
REASON = 'A moment is a text with its zone (ISO 8601); send one such as "2026-03-02T12:00:00Z".'


def utc(moment: datetime) -> datetime:
    """The same moment in UTC. Raises ValueError where it has no zone, or lies beyond the years 1 to 9999."""
    if moment.tzinfo is None:
        raise ValueError("without a zone")
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("beyond the calendar") from error


def _parsed(value: object) -> datetime:
    if not isinstance(value, str) or len(value) > MAX_LENGTH:
        raise GraphQLError(REASON)
    try:
        return utc(datetime.fromisoformat(value))
    except ValueError as error:
        raise GraphQLError(REASON) from error


INSTANT: ScalarDefinition = strawberry.scalar(
    name="DateTime",
    description="Date with time (isoformat)",
    serialize=methodcaller("isoformat"),
    parse_value=_parsed,
)
