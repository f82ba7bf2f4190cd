"""Where a command works: the database of ``--database-url``, or the embedded one in ``--data-dir``."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from merchantry.cli.failures import CommandRefused
from merchantry.domain.note import NoteError
from merchantry.services.vault import Vault
from merchantry.tables.blueprint import merchant_revisions, platform_revisions
from merchantry.transparency.log_keys import LogKeys
from merchantry.vault.cipher import VaultError
from merchantry.vault.keys import ENVIRONMENT, FILE, MasterKeys
from tenancy import bootstrap, embedded
from tenancy.logins import Logins, derive
from tenancy.migrations import BASE, Outcome, migrate_merchants, migrate_platform, platform_version, versions
from tenancy.tokens import DevelopmentIssuer

DEFAULT_DATA_DIR = Path(".merchantry")


class NotMigrated(CommandRefused):
    """The database is behind this program: run `merchantry migrate` first."""


@dataclass(frozen=True)
class Installation:
    """One Merchantry: its database and its data directory (keys; the embedded database)."""

    logins: Logins
    data_dir: Path
    is_embedded: bool

    @property
    def issuer(self) -> DevelopmentIssuer:
        """The development issuer of tokens, with its key in the data directory. Raises CommandRefused."""
        return issuer_in(self.data_dir)

    @property
    def vault(self) -> Vault:
        """A vault with the master keys. Raises VaultError, CommandRefused."""
        return Vault(lambda: master_keys_in(self.data_dir))

    @property
    def log_keys(self) -> LogKeys:
        """What the public log is signed with: the environment's keys, else those in the data directory.

        Raises CommandRefused.
        """
        try:
            return LogKeys.given(self.data_dir)
        except (NoteError, OSError) as error:
            raise CommandRefused(f"The keys of the public log can't be used: {error}") from error

    @property
    def reports(self) -> Path:
        """Where workers write saved reports and servers read them; on several machines, a shared directory."""
        return self.data_dir / "reports"

    @property
    def notice_of_keys(self) -> str | None:
        """What an operator of a server should know of where its master keys are; None where that is as it should be."""
        if self.is_embedded or are_master_keys_given():
            return None
        return f"Master keys are in {self.data_dir / FILE}; every server and worker needs the same: {ENVIRONMENT}."


def issuer_in(data_dir: Path) -> DevelopmentIssuer:
    """The development issuer whose key is in this directory, made where there is none. Raises CommandRefused."""
    try:
        return DevelopmentIssuer.load_or_create(data_dir)
    except (ValueError, OSError) as error:
        raise CommandRefused(f"The key of the development issuer can't be used: {error}") from error


def are_master_keys_given() -> bool:
    """Whether the environment holds the master keys; where it does not, the data directory does."""
    return bool(os.environ.get(ENVIRONMENT))


def master_keys_in(data_dir: Path) -> MasterKeys:
    """The environment's master keys, else those in this directory, made where there are none.

    Raises VaultError, CommandRefused.
    """
    if not are_master_keys_given():
        try:
            return MasterKeys.load_or_create(data_dir)
        except OSError as error:
            raise CommandRefused(f"The master keys can't be used: {error}") from error
    try:
        return MasterKeys.from_text(os.environ[ENVIRONMENT])
    except VaultError as error:
        raise VaultError(f"{ENVIRONMENT}: {error}") from None


def utc_now() -> datetime:
    """The clock of every command."""
    return datetime.now(UTC)


@contextmanager
def installation(database_url: str | None, data_dir: Path | None, *, migrates: bool = True) -> Iterator[Installation]:
    """Open the installation: start the embedded server where no URL is given, make roles, migrate what is new.

    An embedded or still empty database is brought to the newest version; any other must have been migrated by hand.
    Raises NotMigrated, CommandRefused, DatabaseUnsuitable, EmbeddedUnavailable, psycopg.OperationalError.
    """
    home = home_of(data_dir)
    url = database_url or os.environ.get("DATABASE_URL")
    if url:
        opened = Installation(_logins(url), home, is_embedded=False)
        _ready(opened, migrates=migrates)
        yield opened
        return
    server = embedded.start(home)
    try:
        opened = Installation(derive(bootstrap.create_owner(server)), home, is_embedded=True)
        _ready(opened, migrates=migrates)
        yield opened
    finally:
        embedded.stop(home)


def home_of(data_dir: Path | None) -> Path:
    """The data directory, made where it is missing. Raises CommandRefused."""
    home = (data_dir or DEFAULT_DATA_DIR).absolute()
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise CommandRefused(f"The data directory can't be made ({error}): choose another --data-dir.") from error
    return home


def _logins(url: str) -> Logins:
    try:
        return derive(url)
    except ValueError as error:
        raise CommandRefused(f"{error}; it was given as --database-url or DATABASE_URL.") from error


def _ready(opened: Installation, *, migrates: bool) -> None:
    bootstrap.prepare(opened.logins)
    if not migrates:
        return
    if opened.is_embedded or version(opened) == BASE:
        if failed := migrate(opened).failed:
            raise CommandRefused(f"{len(failed)} merchants could not be migrated: run `merchantry migrate` to see why.")
    elif not is_served(opened):
        raise NotMigrated("The database is behind this program: run `merchantry migrate` first.")


def version(opened: Installation) -> str:
    """The version of schema ``platform``; ``base`` where nothing was ever migrated."""
    with psycopg.connect(opened.logins.owner) as connection:
        return platform_version(connection)


def is_served(opened: Installation) -> bool:
    """Whether this program works on the database: all of it is at its version, at the one before, or newer.

    So a release may be under way, and one merchant that could not be migrated keeps nobody else from serving.
    """
    if not platform_revisions().is_served(version(opened)):
        return False
    return all(map(merchant_revisions().is_served, versions(opened.logins.owner)))


def migrate(opened: Installation, progress: Callable[[int, int], None] = lambda done, total: None) -> Outcome:
    """Bring platform, then every merchant, to the newest version."""
    migrate_platform(opened.logins.owner, platform_revisions())
    return migrate_merchants(opened.logins.owner, merchant_revisions(), progress=progress)
