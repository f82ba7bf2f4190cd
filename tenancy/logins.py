"""The three logins of an installation, all derived from the one URL that the operator gives."""

import hashlib
import hmac
import re
from dataclasses import dataclass

from sqlalchemy import URL, make_url

from tenancy.schemas import ANALYST, APP

_SCHEME = re.compile(r"^postgres(ql)?(\+\w+)?://")


@dataclass(frozen=True, slots=True)
class Logins:
    """URLs for SQLAlchemy (``app``, ``analyst``) and for psycopg (``owner``, ``listen``).

    ``owner`` provisions and migrates and is used for nothing else; ``app`` serves; ``analyst`` reads reporting tables
    of all merchants, read-only.
    """

    owner: str
    app: str
    analyst: str
    listen: str
    passwords: dict[str, str]

    def __repr__(self) -> str:
        return "Logins(…)"


def derive(owner_url: str) -> Logins:
    """The logins that belong to an owner's URL (``postgresql://…``).

    Passwords of the other two logins are derived from the owner's by HMAC-SHA-256, so that one secret is enough;
    without a password (trust or peer authentication) they have none. Raises ValueError for other kinds of URL.
    """
    try:
        url = make_url(owner_url)
    except Exception as error:
        raise ValueError("DATABASE_URL must look like postgresql://user:password@host:5432/database") from error
    if url.get_backend_name() not in ("postgresql", "postgres") or not url.database:
        raise ValueError("DATABASE_URL must look like postgresql://user:password@host:5432/database")
    url = url.set(drivername="postgresql")
    passwords = {name: _derived(url.password, name) for name in (APP, ANALYST)} if url.password else {}
    return Logins(
        owner=_SCHEME.sub("postgresql://", owner_url),  # as it was given: libpq and SQLAlchemy escape differently
        app=_text(_as(url, APP, passwords).set(drivername="postgresql+psycopg")),
        analyst=_text(_as(url, ANALYST, passwords).set(drivername="postgresql+psycopg")),
        listen=_text(_as(url, APP, passwords)),
        passwords=passwords,
    )


def _derived(secret: str, name: str) -> str:
    return hmac.new(secret.encode(), f"merchantry login {name}".encode(), hashlib.sha256).hexdigest()


def _as(url: URL, user: str, passwords: dict[str, str]) -> URL:
    return URL.create(url.drivername, user, passwords.get(user), url.host, url.port, url.database, url.query)


def _text(url: URL) -> str:
    return url.render_as_string(hide_password=False)
