"""Account statements of a bank: ISO 20022 camt.053.001, versions 02 to 13.

Only booked entries count. An entry that the bank booked for several transfers at once becomes one line for each.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from merchantry.gateways.bank_statement import BankLine, BankStatement
from merchantry.gateways.iso20022.document import Node, document

MESSAGE = "camt.053.001"
VERSIONS = range(2, 14)
OPENING = ("OPBD", "PRCD")
CLOSING = ("CLBD",)
BOOKED = "BOOK"
NOT_BOOKED = ("PDNG", "INFO", "FUTR")
NOT_PROVIDED = "NOTPROVIDED"
RETURNED = "RRTN"
"""The sub-family of bank transaction codes for a payment that came back."""


def read(data: bytes) -> tuple[BankStatement, ...]:
    """The statements in a file, each of one account. Raises BankFileInvalid."""
    report = document(data, MESSAGE, VERSIONS).the("BkToCstmrStmt")
    statements = tuple(_statement(node) for node in report.each("Stmt"))
    if not statements:
        raise report.invalid("there is no statement (Stmt)")
    return statements


@dataclass(frozen=True, slots=True)
class _Part:
    """What one line is made of: an entry, the details of one transfer in it if there are any, and its amount."""

    entry: Node
    details: Node | None
    amount_minor: int


def _statement(node: Node) -> BankStatement:
    opening, closing = _balance(node, OPENING), _balance(node, CLOSING)
    currency = node.maybe_words("Acct", "Ccy") or opening.the("Amt").currency()
    lines = tuple(
        _line(position, part, currency)
        for position, part in enumerate(
            (part for entry in node.each("Ntry") if _is_booked(entry) for part in _parts(entry, currency)), start=1
        )
    )
    opening_minor = _signed(opening, currency)
    closing_minor = _signed(closing, currency)
    moved_minor = sum(line.amount_minor for line in lines)
    if opening_minor + moved_minor != closing_minor:
        raise node.invalid(
            f"the opening balance {opening_minor} and the entries {moved_minor} are not the closing balance "
            f"{closing_minor} (minor units of {currency})"
        )
    period = node.maybe("FrToDt")
    return BankStatement(
        id=node.the("Id").words(),
        account=_account(node.the("Acct", "Id")),
        currency=currency,
        opening_minor=opening_minor,
        closing_minor=closing_minor,
        from_on=_edge(period, "Fr") or opening.the("Dt").day(),
        to_on=_edge(period, "To") or closing.the("Dt").day(),
        lines=lines,
    )


def _edge(period: Node | None, which: str) -> date | None:
    node = period and (period.maybe(f"{which}Dt") or period.maybe(f"{which}DtTm"))
    return node.date() if node else None


def _account(node: Node) -> str:
    return node.maybe_words("IBAN") or node.the("Othr", "Id").words()


def _balance(statement: Node, codes: tuple[str, ...]) -> Node:
    by_code: dict[str, Node] = {}
    for balance in statement.each("Bal"):
        code = balance.maybe_words("Tp", "CdOrPrtry", "Cd")
        if code in by_code:
            raise balance.invalid(f"a second balance {code}")
        if code in codes:
            by_code[code] = balance
    for code in codes:
        if code in by_code:
            return by_code[code]
    raise statement.invalid(f"there is no balance {' or '.join(codes)}")


def _is_booked(entry: Node) -> bool:
    status = entry.the("Sts")
    code = status.maybe_words("Cd") or status.words()
    if code != BOOKED and code not in NOT_BOOKED:
        raise status.invalid(f"{code[:20]!r} is no status of an entry")
    return code == BOOKED


def _signed(node: Node, currency: str) -> int:
    return _sign(node) * node.the("Amt").amount_minor(currency)


def _sign(node: Node) -> int:
    side = node.the("CdtDbtInd")
    signs = {"CRDT": 1, "DBIT": -1}
    if side.words() not in signs:
        raise side.invalid("it is neither CRDT nor DBIT")
    return signs[side.words()]


def _parts(entry: Node, currency: str) -> Iterator[_Part]:
    total = _signed(entry, currency)
    details = [transfer for group in entry.each("NtryDtls") for transfer in group.each("TxDtls")]
    if len(details) <= 1:
        yield _Part(entry, details[0] if details else None, total)
        return
    parts = [_Part(entry, transfer, _amount_within(entry, transfer, currency)) for transfer in details]
    found = sum(part.amount_minor for part in parts)
    if found != total:
        raise entry.invalid(f"its transfers sum to {found}, and it says {total} (minor units of {currency})")
    yield from parts


def _amount_within(entry: Node, transfer: Node, currency: str) -> int:
    amount = transfer.maybe("Amt") or transfer.the("AmtDtls", "TxAmt", "Amt")
    return _sign(transfer if transfer.maybe("CdtDbtInd") else entry) * amount.amount_minor(currency)


def _line(position: int, part: _Part, currency: str) -> BankLine:
    entry, details = part.entry, part.details
    end_to_end = details.maybe_words("Refs", "EndToEndId") if details else None
    own = details.maybe_words("Refs", "AcctSvcrRef") if details else None
    value = entry.maybe("ValDt")
    returned = details.maybe("RtrInf") if details else None
    return BankLine(
        position=position,
        amount_minor=part.amount_minor,
        currency=currency,
        booked_on=(entry.maybe("BookgDt") or entry.the("ValDt")).day(),
        value_on=value.day() if value else None,
        end_to_end_id=None if end_to_end == NOT_PROVIDED else end_to_end,
        reference=own or entry.maybe_words("AcctSvcrRef") or entry.maybe_words("NtryRef"),
        text=_text(entry, details),
        is_return=returned is not None or _is_reversal(entry) or _has_return_code(entry, details),
        reason=_reason(returned) if returned else None,
    )


def _text(entry: Node, details: Node | None) -> str:
    remittance = details.maybe("RmtInf") if details else None
    if remittance:
        words = [node.words() for node in remittance.each("Ustrd") if node.element.text]
        words += filter(None, (node.maybe_words("CdtrRefInf", "Ref") for node in remittance.each("Strd")))
        if words:
            return " ".join(words)
    own = details.maybe_words("AddtlTxInf") if details else None
    return own or entry.maybe_words("AddtlNtryInf") or ""


def _is_reversal(entry: Node) -> bool:
    return entry.maybe_words("RvslInd") in ("true", "1")


def _has_return_code(entry: Node, details: Node | None) -> bool:
    path = ("BkTxCd", "Domn", "Fmly", "SubFmlyCd")
    return RETURNED in (entry.maybe_words(*path), details and details.maybe_words(*path))


def _reason(returned: Node) -> str | None:
    code = returned.maybe_words("Rsn", "Cd") or returned.maybe_words("Rsn", "Prtry")
    words = [code, *(node.element.text for node in returned.each("AddtlInf"))]
    return " ".join(word.strip() for word in words if word) or None
