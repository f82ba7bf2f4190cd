"""A drill: a backup restored into a database of its own, its books verified there, and everything dropped again."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID, uuid4

import psycopg
from psycopg import sql
from sqlalchemy import make_url

from merchantry.jobs.restore import File
from merchantry.services import restored_schema
from merchantry.services.backup_content import BESIDE, OWN, tables_of
from merchantry.services.books import Broken
from merchantry.services.verification import verify_books
from merchantry.tables.blueprint import merchant_revisions, platform_revisions
from merchantry.vault.container import Reader
from merchantry.vault.keys import MasterKeys
from tenancy import bootstrap, replacing
from tenancy.database import Database
from tenancy.logins import Logins, derive
from tenancy.migrations import migrate_platform
from tenancy.replacing import Connection
from tenancy.schemas import MARK, schema_of


@dataclass(frozen=True, slots=True)
class Drilled:
    """What came of it: how many entries were verified, which laws are broken, and how long it took."""

    slug: str
    entries: int
    broken: tuple[Broken, ...]
    load_seconds: float
    verify_seconds: float


async def drill(logins: Logins, file: File) -> Drilled:
    """Restore a file beside everything else and verify its books. Nothing of the installation is touched.

    Raises FileDamaged, VaultError, OSError, psycopg.Error: the owner needs CREATEDB.
    """
    began = time.perf_counter()
    with file.path.open("rb") as opened:
        reader = Reader(opened)
        merchant_id, slug = UUID(reader.manifest["merchant"]["id"]), str(reader.manifest["merchant"]["slug"])
        with _Scratch(logins) as scratch:
            await asyncio.to_thread(_fill, scratch, merchant_id, reader, file.ring)
            loaded = time.perf_counter()
            database = Database(scratch, pool_size=2)
            try:
                [found] = [each async for each in verify_books(database, [(merchant_id, slug)])]
            finally:
                await database.close()
    verified = time.perf_counter()
    return Drilled(slug, found.entries, found.broken, loaded - began, verified - loaded)


class _Scratch:
    """A migrated database without merchants, dropped at the end of the block."""

    def __init__(self, logins: Logins) -> None:
        self._owner = logins.owner
        self._name = f"drill_{uuid4().hex}"
        with self._outside() as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(self._name)))

    def __enter__(self) -> Logins:
        url = make_url(self._owner).set(database=self._name)
        scratch = derive(url.render_as_string(hide_password=False))
        try:
            bootstrap.prepare(scratch)
            migrate_platform(scratch.owner, platform_revisions())
        except BaseException:
            self.__exit__()
            raise
        return scratch

    def __exit__(self, *_: object) -> None:
        with self._outside() as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(self._name)))

    @contextmanager
    def _outside(self) -> Iterator[Connection]:
        with psycopg.connect(self._owner, autocommit=True) as connection:
            yield connection


def _fill(scratch: Logins, merchant_id: UUID, reader: Reader, ring: MasterKeys | None) -> None:
    """The merchant's schema, and in ``platform`` what the file holds of it, in the file's own order."""
    schema, version = schema_of(merchant_id), str(reader.manifest["version"])
    revisions, manifest = merchant_revisions(), restored_schema.counted(reader)
    with psycopg.connect(scratch.owner) as connection:
        for name in reversed([each.name for each in manifest if each.place == BESIDE]):
            connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier("platform", name)))
        replacing.make_schema(connection, schema, revisions.render("base", version))
        replacing.read_text_form(connection)
        for table in tables_of(reader.content(ring), manifest):
            replacing.load(connection, schema if table.place == OWN else "platform", table.shape, table.pieces)
        script = revisions.render(version).replace(MARK, schema)
        if script.strip():
            connection.execute(script.encode())
