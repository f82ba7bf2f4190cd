"""Where a benchmark works: a PostgreSQL of its own in a temporary directory, gone at its end."""

import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg

from benchmarks.measuring import Options
from merchantry.cli.running import ended_by_signals
from merchantry.domain.act import Act
from merchantry.services import merchant as merchants
from merchantry.services.merchant import NewShop, ShippingOption
from merchantry.tables.blueprint import blueprint, platform_revisions
from tenancy import bootstrap, embedded, embedded_watchdog
from tenancy.embedded import EmbeddedServer
from tenancy.logins import Logins, derive
from tenancy.migrations import migrate_platform
from tenancy.principals import Merchant

BATCH = 50
STOP_SECONDS = 60
SHIPPING_MINOR = 1_000
SETTINGS = {"shared_buffers": "256MB", "max_wal_size": "2GB"}
NOT_DURABLE = {"fsync": "off"}

Owner = psycopg.Connection[tuple[Any, ...]]


@dataclass(frozen=True)
class Installation:
    """A server with one migrated database, without merchants."""

    server: EmbeddedServer
    logins: Logins
    home: Path

    @property
    def log(self) -> Path:
        """The server's log."""
        return self.home / "postgres.log"

    @contextmanager
    def superuser(self) -> Iterator[Owner]:
        """A connection that may change the server's settings."""
        with psycopg.connect(self.server.url("bench"), autocommit=True) as connection:
            yield connection


@contextmanager
def installed(options: Options) -> Iterator[Installation]:
    """Start a server, make a database at the newest version, and remove everything at the end, also by a signal."""
    with ended_by_signals():
        home = Path(tempfile.mkdtemp(prefix="merchantry-bench-"))
        try:
            settings = SETTINGS if options.durable else {**SETTINGS, **NOT_DURABLE}
            server = embedded.start(home, settings=settings)
            logins = derive(bootstrap.create_owner(server, "bench"))
            bootstrap.prepare(logins)
            migrate_platform(logins.owner, platform_revisions())
            yield Installation(server, logins, home)
        finally:
            _remove(home)


def _remove(home: Path) -> None:
    """Stop the server and remove its directory, once the server's watchdog no longer looks at it."""
    embedded.stop(home)
    deadline = time.monotonic() + STOP_SECONDS
    while embedded_watchdog.is_locked(home / "watchdog.lock") and time.monotonic() < deadline:
        time.sleep(0.02)
    shutil.rmtree(home)


def an_act() -> Act:
    """The benchmark does something now."""
    now = datetime.now(UTC)
    return Act("system:benchmark", now, now)


def a_shop(number: int, merchant_id: UUID | None = None) -> NewShop:
    """A shop in Brazil that ships at one flat rate."""
    return NewShop(
        slug=f"shop-{number}",
        legal_name=f"Shop {number} Ltda",
        display_name=f"Shop {number}",
        category="general",
        time_zone="America/Sao_Paulo",
        currency="BRL",
        shipping_options=(ShippingOption("standard", "Standard", {"BRL": SHIPPING_MINOR}),),
        id=merchant_id or uuid4(),
    )


def provisioned(logins: Logins, numbers: Sequence[int]) -> list[Merchant]:
    """Merchants of these numbers, in batches."""
    made: list[Merchant] = []
    for at in range(0, len(numbers), BATCH):
        shops = [a_shop(number) for number in numbers[at : at + BATCH]]
        made += merchants.create(logins.owner, blueprint(), shops, an_act())
    return made
