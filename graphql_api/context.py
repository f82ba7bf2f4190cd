"""What a resolver may know about its request."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import strawberry

from graphql_api.asked import NOTHING, Asked
from graphql_api.bells import Bells
from graphql_api.compilation import Compiler
from graphql_api.hub import Hub
from merchantry.domain.act import Act
from merchantry.gateways.payment import PaymentGateway
from merchantry.gateways.webhook import Reach
from merchantry.languages.language import Language
from merchantry.services.merchant import NewShop
from merchantry.services.vault import Vault
from tenancy.database import Database
from tenancy.principals import Caller, Merchant

Provision = Callable[[Sequence[NewShop], Act], Awaitable[list[Merchant]]]


@dataclass(slots=True)
class Reads:
    """What a request has read that is watched: across merchants (with which permissions, of whom), and contact data."""

    across: set[str] = field(default_factory=set)
    merchants: set[UUID] = field(default_factory=set)
    """Whom the reads across were about, where that is known; nobody in particular where it is empty."""
    contacts: dict[UUID, set[UUID]] = field(default_factory=dict)
    """Orders whose contact data was opened, by merchant."""


@dataclass(slots=True)
class Context:
    """One request's context: who asks, where the data is, what time it is, and the world outside."""

    caller: Caller
    request_id: str
    database: Database
    clock: Callable[[], datetime]
    gateway: PaymentGateway
    provision: Provision
    """Makes merchants; the one thing that the program does as the owner of the tables."""
    vault: Vault
    guest_lasts: timedelta = timedelta(days=90)
    """For how long a guest's token opens what they have placed."""
    webhooks: Reach = field(default_factory=Reach)
    """Where webhooks may be sent."""
    tracking_pages: Mapping[str, str] = field(default_factory=dict)
    """Where carriers show parcels: templates of addresses, by carrier as its webhook's address calls it."""
    hub: Hub | None = None
    """Where subscriptions get their events; None where nobody hands any on."""
    bells: Bells | None = None
    """What rings for subscribers whose notifications have changed; None where nobody is told."""
    sends_mail: bool = False
    """Whether this mall sends mail."""
    accepted_languages: str | None = None
    """The request's ``Accept-Language``."""
    language: Language | None = None
    """What whoever asks prefers to read; None where any language will do, or before ``knows_language``."""
    knows_language: bool = False
    """Whether that was found out."""
    given_ids: dict[UUID, str] = field(default_factory=dict)
    """How the client called the rows that it named, so that problems name them the same way."""
    given_paths: dict[UUID, tuple[str | int, ...]] = field(default_factory=dict)
    """Where in the input it named them."""
    asked: Asked = NOTHING
    """What the document asks for."""
    reads: Reads = field(default_factory=Reads)
    compiler: Compiler | None = None
    """What is compiled of the operation; None where nothing is."""
    takes_written: bool = False
    """Whether the answer may hold JSON that is written already: it goes to one client as it is, and nobody reads it."""


Info = strawberry.Info[Context, None]
