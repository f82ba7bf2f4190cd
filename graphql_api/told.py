"""Events as they are shown, to subscribers and in pages: with the ids that the API knows things by."""

from collections.abc import Collection
from datetime import datetime
from typing import Annotated, Any, Self

import strawberry
from graphql import GraphQLError
from strawberry.scalars import JSON

from graphql_api.facts import facts_of
from graphql_api.relay import encode_cursor
from merchantry.domain.errors import InvalidInput
from merchantry.domain.event import EventKind
from merchantry.domain.permission import may
from merchantry.domain.worded import Worded
from merchantry.services.outbox import Event

LIST = "events"
Kinds = Annotated[list[str] | None, strawberry.argument(description="Only these kinds, as docs/events.md names them.")]


class CursorGone(GraphQLError):
    """Events after the cursor are no longer kept."""

    def __init__(self) -> None:
        super().__init__(
            "Events after this cursor are no longer kept: read anew what you need, and go on without it.",
            extensions={"code": "CURSOR_EXPIRED"},
        )


@strawberry.interface(description="Something that happened. Kinds and their facts are listed in docs/events.md.")
class Told:
    cursor: str = strawberry.field(description="Give it as `after` to go on behind this event.")
    id: strawberry.ID = strawberry.field(description="The same however often the event is delivered.")
    kind: str
    version: int = strawberry.field(description="Of what the kind says.")
    actor: str = strawberry.field(description="What kind of actor caused it: buyer, staff, platform or system.")
    occurred_at: datetime
    facts: JSON = strawberry.field(description="Ids and figures.")

    @classmethod
    def of(cls, event: Event, **more: Any) -> Self:
        """The event as it was told."""
        return cls(
            cursor=encode_cursor(LIST, (event.seq,)),
            id=strawberry.ID(str(event.id)),
            kind=event.kind.value,
            version=event.version,
            actor=event.actor,
            occurred_at=event.occurred_at,
            facts=JSON(facts_of(event)),
            **more,
        )


def kinds_seen(roles: Collection[str], kinds: list[str] | None, *, of_platform: bool) -> frozenset[EventKind]:
    """The kinds asked for that the roles may be told of. Raises InvalidInput for a kind that there is not."""
    if unknown := set(kinds or ()) - set(EventKind):
        raise InvalidInput(
            reason=Worded("There is no event {unknown}; docs/events.md lists them.", unknown=min(unknown)[:60]),
            path=("kinds",),
        )
    seen = set[EventKind]()
    for kind in EventKind if kinds is None else map(EventKind, kinds):
        needed = kind.declared.platform if of_platform else kind.declared.staff
        if needed is not None and may(roles, needed):
            seen.add(kind)
    return frozenset(seen)
