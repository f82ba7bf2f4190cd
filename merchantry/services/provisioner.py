"""How a server makes merchants: as the owner, on a connection that it keeps for a while."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import psycopg

from merchantry.domain.act import Act
from merchantry.services.merchant import NewShop, create_on
from tenancy.principals import Merchant
from tenancy.provisioning import Blueprint

KEPT_SECONDS: Final = 60.0
"""After its last use."""
WORN: Final = 100
"""Merchants after which a connection is replaced: its backend remembers the tables of each that it made."""

Owner: TypeAlias = psycopg.Connection[tuple[object, ...]]
Made: TypeAlias = tuple[list[Merchant], Owner]


class Provisioner:
    """Makes merchants without blocking the loop, as many calls at once as there are.

    A new connection has yet to learn the catalogue: connecting and that make a merchant take a quarter longer. So one
    is kept, though it is the owner's: whoever runs the server's code has the owner's URL anyway.
    """

    def __init__(self, owner_url: str, blueprint: Callable[[], Blueprint]) -> None:
        self._owner_url = owner_url
        self._blueprint = blueprint
        self._kept: Owner | None = None
        self._made = 0
        self._is_closed = False
        self._closing: asyncio.TimerHandle | None = None

    async def create(self, shops: Sequence[NewShop], act: Act) -> list[Merchant]:
        """As :func:`merchantry.services.merchant.create`. Whoever is cancelled meanwhile doesn't undo it."""
        kept, self._kept = self._kept, None
        making = asyncio.ensure_future(asyncio.to_thread(self._create, kept, shops, act))
        making.add_done_callback(self._keep)
        made, _ = await asyncio.shield(making)
        return made

    def close(self) -> None:
        """Keep no connection any more."""
        self._is_closed = True
        self._drop()

    def _drop(self) -> None:
        if self._closing:
            self._closing.cancel()
        if self._kept:
            self._kept.close()
        self._kept, self._made = None, 0

    def _create(self, kept: Owner | None, shops: Sequence[NewShop], act: Act) -> Made:
        connection = kept if kept and _is_alive(kept) else psycopg.connect(self._owner_url, autocommit=True)
        try:
            with connection.transaction():
                return create_on(connection, self._blueprint(), shops, act), connection
        except BaseException:
            connection.close()
            raise

    def _keep(self, making: "asyncio.Future[Made]") -> None:
        if making.cancelled() or making.exception():
            return
        made, connection = making.result()
        self._made += len(made)
        if self._kept or self._is_closed or self._made > WORN:
            connection.close()
            self._made = 0
            return
        self._kept = connection
        if self._closing:
            self._closing.cancel()
        self._closing = making.get_loop().call_later(KEPT_SECONDS, self._drop)


def _is_alive(connection: Owner) -> bool:
    try:
        connection.execute("SELECT 1")
    except psycopg.OperationalError:
        connection.close()
        return False
    return True
