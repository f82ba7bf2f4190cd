"""Somebody's mail server: a real one on a socket, which answers as it is told to."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from merchantry.gateways.smtp import SmtpServer, Tls

OK = "250 OK"


@dataclass(frozen=True)
class Received:
    """One mail, as it came."""

    to: str
    content: bytes
    over_tls: bool

    @property
    def message(self) -> EmailMessage:
        """The mail, read."""
        found = message_from_bytes(self.content, policy=policy.default)
        assert isinstance(found, EmailMessage)
        return found

    @property
    def id(self) -> str:
        """The same at every attempt."""
        return str(self.message["Message-ID"])

    def part(self, subtype: str) -> str:
        """The text of a part."""
        body = self.message.get_body((subtype,))
        assert body is not None
        text: str = body.get_content()
        return text

    @property
    def link(self) -> str:
        """Where the reader's link leads."""
        return next(word for word in self.part("plain").split() if "/mail?link=" in word)


@dataclass
class Mailbox:
    """What came, and what is answered: plans of answers are used up first."""

    port: int = 0
    got: list[Received] = field(default_factory=list)
    to_rcpt: list[str] = field(default_factory=list)
    to_data: list[str] = field(default_factory=list)
    unknown: set[str] = field(default_factory=set)
    after_data: Callable[[Received], None] = lambda received: None
    drops: int = 0
    """How many connections are dropped once a mail has been taken, before anything is answered."""

    async def handle_RCPT(self, server: SMTP, session: Any, envelope: Any, address: str, options: Any) -> str:
        """Answer for a recipient."""
        if address in self.unknown:
            return "550 5.1.1 There is nobody of this name"
        answer = self.to_rcpt.pop(0) if self.to_rcpt else OK
        if answer == OK:
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:
        """Take a mail, or don't."""
        answer = self.to_data.pop(0) if self.to_data else OK
        if answer == OK:
            received = Received(envelope.rcpt_tos[0], envelope.content, session.ssl is not None)
            self.got.append(received)
            self.after_data(received)
            if self.drops:
                self.drops -= 1
                assert isinstance(server.transport, asyncio.WriteTransport)
                server.transport.abort()
        return answer

    def of(self, address: str) -> list[Received]:
        """What came for somebody."""
        return [each for each in self.got if each.to == address]

    def server(self, tls: Tls = Tls.NONE, **more: Any) -> SmtpServer:
        """How it is reached."""
        return SmtpServer("127.0.0.1", self.port, tls, **more)


@asynccontextmanager
async def open_mailbox(
    mailbox: Mailbox | None = None, *, tls: Tls = Tls.NONE, context: ssl.SSLContext | None = None, user: str = ""
) -> AsyncIterator[Mailbox]:
    """A server while the block runs; with STARTTLS and a user, whose password is ``secret``, it asks who sends."""
    mailbox = mailbox or Mailbox()

    def authenticated(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        return AuthResult(success=data.login == user.encode() and data.password == b"secret")

    def protocol() -> SMTP:
        more: dict[str, Any] = (
            {"authenticator": authenticated, "auth_required": True} if user and tls is Tls.STARTTLS else {}
        )
        if tls is Tls.STARTTLS:
            more |= {"tls_context": context, "require_starttls": True}
        return SMTP(mailbox, hostname="mail.test", loop=asyncio.get_running_loop(), **more)

    loop = asyncio.get_running_loop()
    over = context if tls is Tls.TLS else None
    server = await loop.create_server(protocol, "127.0.0.1", mailbox.port, ssl=over)
    mailbox.port = server.sockets[0].getsockname()[1]
    try:
        yield mailbox
    finally:
        server.close()


def a_certificate(directory: Path) -> tuple[ssl.SSLContext, str]:
    """What a server at 127.0.0.1 shows, and the file that its clients trust."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail.test")])
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, private = directory / "certificate.pem", directory / "key.pem"
    certificate.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    encoded = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    private.write_bytes(encoded)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, private)
    return context, str(certificate)
