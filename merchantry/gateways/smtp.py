"""A mail server that takes mail from us (RFC 5321), over TLS unless it is said otherwise."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from enum import StrEnum
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

import aiosmtplib
from aiosmtplib import SMTP

from merchantry.domain.mail import Answer, Outcome, outcome_of

CONNECT_SECONDS: Final = 15.0
SEND_SECONDS: Final = 40.0
"""For one mail, with all that is said about it."""
LOCAL: Final = ("localhost", "127.0.0.1", "::1")


class Tls(StrEnum):
    """How a connection is protected: STARTTLS demanded of the server, TLS from the first byte, or not at all."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


_PORTS: Final = {Tls.STARTTLS: 587, Tls.TLS: 465, Tls.NONE: 25}


class UrlRefused(Exception):
    """The URL names no mail server that may be used so; the message holds no secret."""


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where mail is handed in. ``ca`` is a file of certificates to trust instead of the system's."""

    host: str
    port: int
    tls: Tls
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    ca: str | None = None

    @staticmethod
    def parse(url: str) -> "SmtpServer":
        """``smtp://user:password@host:port?tls=starttls|tls|none&ca=FILE``. Raises UrlRefused."""
        try:
            parts = urlsplit(url)
            asked = parse_qs(parts.query, strict_parsing=bool(parts.query))
            tls, port = Tls(asked.pop("tls", ["starttls"])[0]), parts.port
            ca = asked.pop("ca", [None])[0]
        except ValueError:
            raise UrlRefused("it can't be read") from None
        if parts.scheme != "smtp" or not parts.hostname or asked or parts.path.strip("/") or parts.fragment:
            raise UrlRefused("it is not of the form smtp://user:password@host:port?tls=starttls|tls|none")
        user, password = (unquote(each) if each else None for each in (parts.username, parts.password))
        if (user is None) != (password is None):
            raise UrlRefused("it has a user without a password, or the other way round")
        if user and tls is Tls.NONE and parts.hostname not in LOCAL:
            raise UrlRefused("it would send a password in clear")
        return SmtpServer(parts.hostname, port or _PORTS[tls], tls, user, password, ca)

    def check(self) -> None:
        """Raises UrlRefused where the certificates to trust can't be read."""
        _ = self.context

    @property
    def context(self) -> ssl.SSLContext | None:
        """Whom to trust. Raises UrlRefused where the file can't be read."""
        if self.tls is Tls.NONE:
            return None
        try:
            return ssl.create_default_context(cafile=self.ca)
        except (OSError, ssl.SSLError):
            raise UrlRefused(f"the certificates in {self.ca} can't be read") from None


class MailSender:
    """One connection to the server, opened when there is something to send, and anew after whatever went wrong."""

    def __init__(self, server: SmtpServer, domain: str) -> None:
        self._server = server
        self._domain = domain
        self._connection: SMTP | None = None
        self.trouble: str | None = None
        """Why the server was away, by the kind of the error."""

    @staticmethod
    @asynccontextmanager
    async def opened(server: SmtpServer, domain: str) -> AsyncIterator["MailSender"]:
        """A sender whose connection is closed at the end."""
        sender = MailSender(server, domain)
        try:
            yield sender
        finally:
            await sender.close()

    async def send(self, sender: str, to: str, message: EmailMessage) -> Answer:
        """Hand in a mail for one recipient; whatever the server answers, or does not."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                connection = await self._connected()
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            self.trouble = type(error).__name__
            await self.close()
            return Answer(Outcome.AWAY, getattr(error, "code", None))
        answer = await _handed_in(connection, sender, to, message)
        if answer.outcome is not Outcome.SENT:
            await self.close()
        return answer

    async def close(self) -> None:
        """Take leave, where there is still somebody to take leave of."""
        connection, self._connection = self._connection, None
        if connection is not None and connection.is_connected:
            with suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
                async with asyncio.timeout(1):
                    await connection.quit()
            connection.close()

    async def _connected(self) -> SMTP:
        if self._connection is None or not self._connection.is_connected:
            server = self._server
            self._connection = SMTP(
                hostname=server.host,
                port=server.port,
                username=server.user,
                password=server.password,
                use_tls=server.tls is Tls.TLS,
                start_tls=server.tls is Tls.STARTTLS,
                tls_context=server.context,
                local_hostname=self._domain,
                timeout=CONNECT_SECONDS,
            )
            await self._connection.connect()
        return self._connection


async def _handed_in(connection: SMTP, sender: str, to: str, message: EmailMessage) -> Answer:
    try:
        async with asyncio.timeout(SEND_SECONDS):
            await connection.send_message(message, sender=sender, recipients=[to])
    except aiosmtplib.SMTPRecipientsRefused as error:
        refused = error.recipients[0]
        return Answer(outcome_of(refused.code, refused.message, is_about_recipient=True), refused.code)
    except aiosmtplib.SMTPResponseException as error:
        return Answer(outcome_of(error.code, error.message, is_about_recipient=False), error.code)
    except (aiosmtplib.SMTPNotSupported, UnicodeError):  # an address that is not ASCII, at a server that takes no such
        return Answer(Outcome.BAD_ADDRESS)
    except (aiosmtplib.SMTPException, OSError, TimeoutError):
        return Answer(Outcome.LATER)
    return Answer(Outcome.SENT)
