"""Sending webhooks: to the address that was checked and no other, under the host's name, over TLS that bears it."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from merchantry.domain.errors import InvalidInput
from merchantry.gateways.webhook import Reach, Resolve, WebhookSender
from tests.domain.test_webhook_url import REFUSED
from tests.jobs.receiver import receiving

HOST = "hooks.example.com"
INNER = {
    "loopback": "127.0.0.1",
    "private": "10.1.2.3",
    "metadata": "169.254.169.254",
    "shared": "100.64.1.1",
    "mapped": "::ffff:10.0.0.1",
    "NAT64": "64:ff9b::a00:1",
    "6to4": "2002:a00:1::1",
    "Teredo": "2001::1",
    "link-local with a zone": "fe80::1%eth0",
    "unique local": "fd00::1",
}


def standing_for(*addresses: str) -> Resolve:
    """Every name stands for these."""

    async def resolve(host: str, port: int) -> Sequence[str]:
        return addresses

    return resolve


async def no_name(host: str, port: int) -> Sequence[str]:
    raise OSError("no such name")


@pytest.mark.parametrize("form", REFUSED)
async def test_what_can_not_be_given_can_not_be_sent_to_either(form: str) -> None:
    asked: list[str] = []

    async def resolve(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ["93.184.215.14"]

    reach = Reach(resolve=resolve)
    with pytest.raises(InvalidInput):
        await reach.check(REFUSED[form])
    async with WebhookSender.opened(reach) as sender:
        answer = await sender.send(REFUSED[form], b"{}", {})
    assert (answer.status, (answer.error or "").startswith("not allowed: ")) == (None, True)
    assert asked == []


@pytest.mark.parametrize("form", INNER)
async def test_a_name_that_stands_for_an_inner_address_is_refused_even_beside_a_public_one(form: str) -> None:
    for addresses in ((INNER[form],), ("93.184.215.14", INNER[form])):
        reach = Reach(resolve=standing_for(*addresses))
        with pytest.raises(InvalidInput, match="public internet"):
            await reach.check(f"https://{HOST}/")
        async with WebhookSender.opened(reach) as sender:
            answer = await sender.send(f"https://{HOST}/", b"{}", {})
        assert answer.error == "not allowed: the host is not one of the public internet"


async def test_a_name_that_is_not_known_yet_can_be_given_and_is_looked_up_again_at_sending() -> None:
    await Reach(resolve=no_name).check(f"https://{HOST}/")
    await Reach(resolve=standing_for("93.184.215.14")).check(f"https://{HOST}/")
    async with WebhookSender.opened(Reach(resolve=no_name)) as sender:
        answer = await sender.send(f"https://{HOST}/", b"{}", {})
    assert answer.status is None
    assert answer.error is not None


async def test_the_environments_proxies_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiving() as receiver, receiving() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        async with WebhookSender.opened(Reach(allows_private=True)) as sender:
            answer = await sender.send(receiver.url, b"{}", {"webhook-id": "1"})
        assert answer.status == 204
        assert len(receiver.got) == 1
        assert proxy.got == []


async def test_where_one_address_does_not_answer_the_next_is_tried() -> None:
    async with receiving() as receiver:
        reach = Reach(allows_private=True, resolve=standing_for("127.0.0.2", "127.0.0.1"))
        async with WebhookSender.opened(reach) as sender:
            answer = await sender.send(f"http://{HOST}:{receiver.port}/hook", b"{}", {"webhook-id": "1"})
        assert answer.status == 204
        assert receiver.got[0].headers["host"] == f"{HOST}:{receiver.port}"


async def test_the_name_is_looked_up_once_and_the_certificate_must_bear_it(tmp_path: Path) -> None:
    asked: list[str] = []

    async def resolve(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"]

    async with _over_tls(tmp_path) as (port, names, trusting):
        sender = WebhookSender(trusting, Reach(allows_private=True, resolve=resolve))
        assert (await sender.send(f"https://{HOST}:{port}/", b"{}", {})).status == 200
        assert asked == [HOST]
        assert names == [HOST], "the handshake named the host, not the address"
        answer = await sender.send(f"https://other.example.com:{port}/", b"{}", {})
        assert answer.error == "the certificate is not the host's, or not trusted"
    async with _over_tls(tmp_path) as (port, _, _), WebhookSender.opened(sender._reach) as strict:
        answer = await strict.send(f"https://{HOST}:{port}/", b"{}", {})
        assert answer.error == "the certificate is not the host's, or not trusted"


@asynccontextmanager
async def _over_tls(directory: Path) -> AsyncIterator[tuple[int, list[str], httpx.AsyncClient]]:
    """A server with a certificate for HOST, the names that it was asked for, and a client that trusts it."""
    certificate, key = _certificate(directory)
    names: list[str] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.sni_callback = lambda _, name, __: names.append(name or "")

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    trusting = ssl.create_default_context(cafile=str(certificate))
    async with server, httpx.AsyncClient(verify=trusting, trust_env=False) as client:
        yield server.sockets[0].getsockname()[1], names, client


def _certificate(directory: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, private = directory / "certificate.pem", directory / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate, private
