"""Reading ISO 20022 messages from outside: safely, and with the place of whatever is wrong.

A document type definition is refused before anything of it is read, so entities neither expand nor fetch.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from merchantry.domain.errors import BankFileInvalid, InvalidInput, UnknownCurrency
from merchantry.domain.money import parse_minor

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

MAX_BYTES = 32 * 2**20
_ROOT = re.compile(r"\{urn:iso:std:iso:20022:tech:xsd:([a-z]{4}\.[0-9]{3}\.[0-9]{3})\.([0-9]{2})\}Document")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True, slots=True)
class Node:
    """An element with its place. Children are looked up in the document's own namespace.

    All methods raise BankFileInvalid for what is not there, not there once, or not of its form.
    """

    element: "Element"
    namespace: str
    place: str

    def invalid(self, reason: str) -> BankFileInvalid:
        """The error that tells of a fault here."""
        return BankFileInvalid(reason=f"{self.place}: {reason}.")

    def each(self, name: str) -> Iterator["Node"]:
        """The children of a name."""
        for number, element in enumerate(self.element.findall(f"{{{self.namespace}}}{name}"), start=1):
            yield Node(element, self.namespace, f"{self.place}/{name}[{number}]")

    def maybe(self, *names: str) -> "Node | None":
        """The descendant down a path of names that each occur at most once."""
        node = self
        for name in names:
            found = node.element.findall(f"{{{self.namespace}}}{name}")
            if len(found) > 1:
                raise node.invalid(f"{name} is there {len(found)} times, and may be once")
            if not found:
                return None
            node = Node(found[0], self.namespace, f"{node.place}/{name}")
        return node

    def the(self, *names: str) -> "Node":
        """The descendant down a path of names that each must occur once."""
        node = self.maybe(*names)
        if node is None:
            raise self.invalid(f"{'/'.join(names)} is missing")
        return node

    def words(self) -> str:
        """The text, which must not be empty."""
        words = (self.element.text or "").strip()
        if not words:
            raise self.invalid("is empty")
        return words

    def maybe_words(self, *names: str) -> str | None:
        """The text of a descendant; None where it is missing or empty."""
        node = self.maybe(*names)
        return ((node.element.text or "").strip() or None) if node else None

    def day(self) -> date:
        """The day of a choice between ``Dt`` and ``DtTm``; the bank's own day, whatever its offset."""
        node = self.maybe("Dt") or self.the("DtTm")
        return node.date()

    def date(self) -> date:
        """The day that a date or an instant begins with."""
        text = self.words()
        match = _DAY.match(text)
        try:
            return date.fromisoformat(match[0] if match else "")
        except ValueError:
            raise self.invalid(f"{text[:40]!r} is no date") from None

    def instant(self) -> datetime | None:
        """An instant; None where it has no offset, so that nobody knows which."""
        text = self.words()
        try:
            instant = datetime.fromisoformat(text)
        except ValueError:
            raise self.invalid(f"{text[:40]!r} is no time") from None
        return instant if instant.tzinfo else None

    def currency(self) -> str:
        """The attribute ``Ccy`` of an amount."""
        currency = self.element.get("Ccy")
        if currency is None:
            raise self.invalid("the currency (Ccy) is missing")
        return currency

    def amount_minor(self, currency: str) -> int:
        """An amount in this currency, never negative: its sign stands beside it."""
        if self.currency() != currency:
            raise self.invalid(f"the amount is in {self.currency()[:10]}, and the account in {currency}")
        text = self.words()
        try:
            amount_minor = parse_minor(text, currency)
        except (InvalidInput, UnknownCurrency) as error:
            raise self.invalid(f"{text[:40]!r} can't be read: {error.message.rstrip('.')}") from None
        if amount_minor < 0:
            raise self.invalid("the amount has a sign")
        return amount_minor


def document(data: bytes, message: str, versions: range) -> Node:
    """The document of a message such as ``camt.053.001`` in any of these versions. Raises BankFileInvalid."""
    if len(data) > MAX_BYTES:
        raise BankFileInvalid(reason=f"It has more than {MAX_BYTES // 2**20} MiB.")
    try:
        root = fromstring(data, forbid_dtd=True)
    except DefusedXmlException:
        raise BankFileInvalid(reason="It has a document type definition, which such files never have.") from None
    except (ParseError, ValueError, LookupError) as error:
        raise BankFileInvalid(reason=f"It is not well-formed XML ({str(error)[:200]}).") from None
    match = _ROOT.fullmatch(root.tag)
    if match is None or match[1] != message or int(match[2]) not in versions:
        wanted = f"{message}.{versions.start:02} to {versions.stop - 1:02}"
        raise BankFileInvalid(reason=f"It is no {wanted}: its root is {root.tag[:100]}.")
    return Node(root, root.tag[1 : root.tag.index("}")], "Document")
