"""What changed between two versions of the schema, in the words of its changelog."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from graphql import BreakingChange, DangerousChange, build_schema
from graphql.utilities import find_schema_changes


class Weight(StrEnum):
    """What a change does to documents that are in use."""

    BREAKING = "breaking"
    DANGEROUS = "dangerous"
    SAFE = "safe"


@dataclass(frozen=True, slots=True)
class Change:
    """One change, as the changelog quotes it."""

    weight: Weight
    text: str

    def __str__(self) -> str:
        return f"- **{self.weight}** {self.text}"


def changes(old: str, new: str) -> list[Change]:
    """All changes from one text of a schema to another, the heaviest first. Raises GraphQLError for what is none.

    Dangerous is what documents survive and programs may not: a value added to an enum, a member to a union. Changed
    descriptions are none.
    """
    return sorted(set(_changes(old, new)), key=lambda change: (list(Weight).index(change.weight), change.text))


def _changes(old: str, new: str) -> Iterator[Change]:
    for each in find_schema_changes(build_schema(old), build_schema(new)):
        is_described = "DESCRIPTION" in each.type.name
        if isinstance(each, BreakingChange):
            yield Change(Weight.BREAKING, each.description)
        elif isinstance(each, DangerousChange):
            yield Change(Weight.DANGEROUS, each.description)
        elif not is_described:
            yield Change(Weight.SAFE, each.description)
