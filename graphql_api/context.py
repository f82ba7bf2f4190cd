"""What a resolver may know about its request."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import strawberry

from tenancy.principals import Caller


@dataclass(slots=True)
class Context:
    """One request's context: who asks, where the data is, what time it is."""

    caller: Caller
    request_id: str
    database: Any
    clock: Callable[[], datetime]
    given_ids: dict[UUID, str] = field(default_factory=dict)
    """How the client called the rows that it named, so that problems name them the same way."""


Info = strawberry.Info[Context, None]
