"""Commission invoices and credit notes: what the platform charges a merchant, or gives back, with its tax; and the
documents of what it bought from the merchant, which it writes in the merchant's stead (self-billing).

Other documents than the statement (docs/statement-format.md): theirs are the issuer's numbers, without gaps.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

from merchantry.domain.canonical import Json, canonical_json
from merchantry.domain.money import digits

FORMAT: Final = "merchantry-invoice/v1"


class InvoiceKind(StrEnum):
    """What the document does.

    SELF_BILLED is the merchant's invoice for what the platform bought, issued by the platform on its behalf;
    SELF_BILLED_CREDIT what of that came back.
    """

    INVOICE = "invoice"
    CREDIT_NOTE = "credit_note"
    SELF_BILLED = "self_billed"
    SELF_BILLED_CREDIT = "self_billed_credit"


CREDITS: Final = frozenset({InvoiceKind.CREDIT_NOTE, InvoiceKind.SELF_BILLED_CREDIT})
"""The kinds that take back from another document."""


@dataclass(frozen=True, slots=True)
class Party:
    """Who issues or receives it, as the law wants to see them: legal name, lines of the address, tax number."""

    name: str
    address: tuple[str, ...]
    tax_number: str | None


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    """One charge. The tax is what was booked; it is not computed again from the rate."""

    description: str
    net_minor: int
    tax_rate_bps: int
    tax_minor: int


@dataclass(frozen=True, slots=True)
class TaxTotal:
    """What the lines of one tax rate sum to."""

    tax_rate_bps: int
    net_minor: int
    tax_minor: int


@dataclass(frozen=True, slots=True)
class Invoice:
    """A commission invoice or credit note; made by `invoice`. The kind says the direction, the total is never negative.

    `statement_number` names the statement whose period it charges; `corrects` the invoice that a credit note takes
    back from, where it is one. Raises ValueError where the totals are not those of the lines, or are negative.
    """

    kind: InvoiceKind
    number: str
    issued_on: date
    issuer: Party
    recipient: Party
    currency: str
    statement_number: str
    corrects: str | None
    lines: tuple[InvoiceLine, ...]
    by_rate: tuple[TaxTotal, ...]
    net_minor: int
    tax_minor: int
    gross_minor: int

    def __post_init__(self) -> None:
        digits(self.currency)
        if not self.lines:
            raise ValueError(f"{self.number}: a document needs a line")
        if self.corrects is not None and self.kind not in CREDITS:
            raise ValueError(f"{self.number}: only a credit note corrects an invoice")
        _check_taxes(self.number, self.lines)
        if self.by_rate != totals_by_rate(self.lines):
            raise ValueError(f"{self.number}: the totals by tax rate are not those of the lines")
        sums = sum(line.net_minor for line in self.lines), sum(line.tax_minor for line in self.lines)
        if (self.net_minor, self.tax_minor) != sums or self.gross_minor != sum(sums):
            raise ValueError(f"{self.number}: the totals are not those of the lines")
        if self.net_minor < 0 or self.tax_minor < 0:
            raise ValueError(f"{self.number}: what is below zero is a document of the other kind")


def invoice(
    *,
    kind: InvoiceKind,
    number: str,
    issued_on: date,
    issuer: Party,
    recipient: Party,
    currency: str,
    statement_number: str,
    corrects: str | None,
    lines: Sequence[InvoiceLine],
) -> Invoice:
    """The document over these lines, in their order. Raises ValueError for what such a document can't say."""
    net_minor, tax_minor = sum(line.net_minor for line in lines), sum(line.tax_minor for line in lines)
    return Invoice(
        kind=kind,
        number=number,
        issued_on=issued_on,
        issuer=issuer,
        recipient=recipient,
        currency=currency,
        statement_number=statement_number,
        corrects=corrects,
        lines=tuple(lines),
        by_rate=totals_by_rate(lines),
        net_minor=net_minor,
        tax_minor=tax_minor,
        gross_minor=net_minor + tax_minor,
    )


def totals_by_rate(lines: Iterable[InvoiceLine]) -> tuple[TaxTotal, ...]:
    """The lines' totals, one for each tax rate among them, the lowest first."""
    sums: dict[int, tuple[int, int]] = {}
    for line in lines:
        net_minor, tax_minor = sums.get(line.tax_rate_bps, (0, 0))
        sums[line.tax_rate_bps] = net_minor + line.net_minor, tax_minor + line.tax_minor
    return tuple(TaxTotal(rate, *sums[rate]) for rate in sorted(sums))


def canonical_bytes(invoice: Invoice) -> bytes:
    """The document as the bytes that are hashed: RFC 8785 JSON as docs/statement-format.md specifies it."""
    document: Json = {
        "by_rate": [
            {
                "net_minor": str(total.net_minor),
                "tax_minor": str(total.tax_minor),
                "tax_rate_bps": total.tax_rate_bps,
            }
            for total in invoice.by_rate
        ],
        "corrects": invoice.corrects,
        "currency": invoice.currency,
        "format": FORMAT,
        "gross_minor": str(invoice.gross_minor),
        "issued_on": invoice.issued_on.isoformat(),
        "issuer": _party_document(invoice.issuer),
        "kind": str(invoice.kind),
        "lines": [
            {
                "description": line.description,
                "net_minor": str(line.net_minor),
                "tax_minor": str(line.tax_minor),
                "tax_rate_bps": line.tax_rate_bps,
            }
            for line in invoice.lines
        ],
        "net_minor": str(invoice.net_minor),
        "number": invoice.number,
        "recipient": _party_document(invoice.recipient),
        "statement_number": invoice.statement_number,
        "tax_minor": str(invoice.tax_minor),
    }
    return canonical_json(document)


def content_hash(invoice: Invoice) -> bytes:
    """SHA-256 of the format's name, a newline, and the canonical bytes."""
    return hashlib.sha256(FORMAT.encode("ascii") + b"\n" + canonical_bytes(invoice)).digest()


def _party_document(party: Party) -> Json:
    return {"address": party.address, "name": party.name, "tax_number": party.tax_number}


def _check_taxes(number: str, lines: Sequence[InvoiceLine]) -> None:
    for line in lines:
        if line.tax_rate_bps < 0:
            raise ValueError(f"{number}: a tax rate is not negative")
        if (line.tax_rate_bps == 0 and line.tax_minor) or line.net_minor * line.tax_minor < 0:
            raise ValueError(f"{number}: the tax on {line.description!r} goes against its rate or its amount")
