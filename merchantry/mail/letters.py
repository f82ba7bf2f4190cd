"""Writes mails and the pages behind their links. Texts that people wrote are escaped in HTML, and never in a header."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from merchantry.domain.errors import InvalidInput
from merchantry.domain.mail import Item, Letter, MailKind
from merchantry.domain.notification import Audience
from merchantry.languages.catalogue import translated
from merchantry.languages.formats import moment
from merchantry.languages.language import Language
from merchantry.languages.news import sentence
from merchantry.mail import words

PATH: Final = "/mail"
PARAMETER: Final = "link"
"""Where the token stands: logs have paths, and not what follows them."""
ORDERS: Final = "/orders"
"""Below the storefront's address: where its page of an order is, by the order's number."""
LONGEST_SUBJECT: Final = 150
TAGS: Final = {Language.EN: "en", Language.ZH_HANS: "zh-Hans"}
"""Languages as HTML and mail call them (BCP 47)."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Whose mail it is: the address in From, the domain of Message-IDs, and where links lead.

    Below ``storefront_url`` are the pages that buyers know; without one, mails have no links to orders.
    """

    name: str
    address: str = field(repr=False)
    domain: str
    public_url: str
    storefront_url: str | None = None


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    where: str | None
    at: str
    link: str | None


def sender_of(given: str, domain: str, public_url: str, storefront_url: str | None = None) -> Sender:
    """The sender as an operator gives it: ``Name <mail@example.com>``, or an address. Raises InvalidInput."""
    name, address = parseaddr(given)
    try:
        Address(display_name=name, addr_spec=address)
        written = EmailMessage(policy=SMTP)
        written["From"] = given
    except ValueError:
        address = ""
    if "@" not in address:
        raise InvalidInput(reason="Give a sender such as 'News <news@mall.example>'.", path=("from",))
    return Sender(name, address, domain, public_url.rstrip("/"), storefront_url and storefront_url.rstrip("/"))


def written(letter: Letter, sender: Sender, now: datetime) -> EmailMessage:
    """The mail. Raises ValueError where an address could be read as more than one, or as another header."""
    language = Language(letter.language)
    shown = _shown(letter, sender, language)
    message = EmailMessage(policy=SMTP)
    message["From"] = Address(display_name=sender.name, addr_spec=sender.address)
    message["To"] = recipient_of(letter.to)
    message["Subject"] = shown["subject"]
    message["Date"] = format_datetime(now)
    message["Message-ID"] = message_id(letter.id, sender.domain)
    message["Auto-Submitted"] = "auto-generated"
    if letter.kind in (MailKind.NEWS, MailKind.DIGEST):
        message["List-Unsubscribe"] = f"<{shown['link']}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message.set_content(_environment().get_template("letter.txt").render(shown))
    message.add_alternative(_environment().get_template("letter.html").render(shown), subtype="html")
    message["Content-Language"] = TAGS[language]  # set before, it would be that of the first part
    return message


def recipient_of(address: str) -> Address:
    """The one address that a mail is for. Raises ValueError where it is none, or holds more than one."""
    if not address.isprintable() or any(each in address for each in '<>,;:\\"()[] '):
        raise ValueError("That is no single address.")
    name, _, domain = address.rpartition("@")
    return Address(username=name, domain=domain)


def message_id(letter_id: UUID, domain: str) -> str:
    """What a mail is called, at each attempt alike."""
    return f"<{letter_id}@{domain}>"


def page(text: str, language: Language, button: str | None = None) -> str:
    """A page that says something, and asks for a press of a button where there is one."""
    said = {"text": translated(text, language), "button": button and translated(button, language)}
    return _environment().get_template("page.html").render(lang=TAGS[language], **said)


def _shown(letter: Letter, sender: Sender, language: Language) -> dict[str, Any]:
    lines = _lines(letter, sender, language)

    def say(text: str) -> str:
        return translated(text, language)

    is_digest, is_confirmation = letter.kind is MailKind.DIGEST, letter.kind is MailKind.CONFIRMATION
    subject = (
        say(words.CONFIRM_SUBJECT) if is_confirmation else say(words.DIGEST_SUBJECT) if is_digest else lines[0].text
    )
    return {
        "lang": TAGS[language],
        "subject": " ".join(subject.split())[:LONGEST_SUBJECT],
        "lines": lines,
        "intro": say(words.CONFIRM) if is_confirmation else None,
        "outro": say(words.CONFIRM_NOT),
        "more": say(words.LEFT_OUT).format(count=letter.left_out) if letter.left_out else None,
        "why": say(words.WHY_GUEST if letter.kind is MailKind.GUEST else words.WHY),
        "stop": None if letter.kind is MailKind.GUEST else say(words.STOP_DIGEST if is_digest else words.STOP),
        "link": f"{sender.public_url}{PATH}?{PARAMETER}={letter.link}",
    }


def _lines(letter: Letter, sender: Sender, language: Language) -> Sequence[_Line]:
    return [
        _Line(
            sentence(each.kind, each.audience, each.facts, language),
            each.merchant_name,
            moment(each.at, letter.zone, language),
            _order_link(each, letter, sender),
        )
        for each in letter.items
    ]


def _order_link(item: Item, letter: Letter, sender: Sender) -> str | None:
    """Where a buyer sees the order. A guest's token follows a #, which browsers tell no server."""
    if sender.storefront_url is None or item.audience is not Audience.BUYER or "number" not in item.facts:
        return None
    link = f"{sender.storefront_url}{ORDERS}/{quote(item.facts['number'], safe='')}"
    return f"{link}#{letter.link}" if letter.kind is MailKind.GUEST and letter.link else link


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
