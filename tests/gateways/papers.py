"""Instructions, and the files that banks answer them with, as short as they can be."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from uuid import UUID

from merchantry.gateways.iso20022.pain001 import Debtor
from merchantry.gateways.payout import Batch, Instruction, Payee, PayeeBank, PayeeWallet

IBAN = "DE89370400440532013000"
DEBTOR = Debtor("Mall Payments", "FR1420041010050500013M02606", None, "PSSTFRPPMON")
BANK = PayeeBank("Lamps and more", IBAN, None, None, "DE")


def a_batch(number: int = 1, currency: str = "EUR") -> Batch:
    return Batch(UUID(int=number), datetime(2026, 3, 30, 9, 30, tzinfo=UTC), currency, date(2026, 3, 31))


def an_instruction(
    number: int = 1, amount_minor: int = 1230, *, payee: Payee = BANK, currency: str = "EUR", reference: str = ""
) -> Instruction:
    return Instruction(UUID(int=number), amount_minor, currency, payee, reference or f"PO-{number}")


def into_wallet(wallet_id: str, number: int = 1, amount_minor: int = 1230) -> Instruction:
    return an_instruction(number, amount_minor, payee=PayeeWallet("Lamps and more", wallet_id))


@dataclass(frozen=True)
class Entry:
    """A booked entry of a statement; with several ``parts`` (reference, amount), one booking of several transfers."""

    amount: str
    side: str = "DBIT"
    status: str = "BOOK"
    parts: Sequence[tuple[str, str]] = ()
    within: str = ""
    extra: str = ""

    def xml(self, version: str) -> str:
        status = f"<Cd>{self.status}</Cd>" if version >= "08" else self.status
        details = "".join(
            _details(reference, amount, self.side, version, self.within) for reference, amount in self.parts
        )
        return (
            f'<Ntry><NtryRef>N1</NtryRef><Amt Ccy="EUR">{self.amount}</Amt><CdtDbtInd>{self.side}</CdtDbtInd>'
            f"{self.extra}<Sts>{status}</Sts><BookgDt><Dt>2026-03-31</Dt></BookgDt>"
            "<ValDt><DtTm>2026-04-01T00:00:00+02:00</DtTm></ValDt><AcctSvcrRef>B1</AcctSvcrRef>"
            "<BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>ICDT</Cd><SubFmlyCd>ESCT</SubFmlyCd></Fmly></Domn></BkTxCd>"
            f"<NtryDtls>{details}</NtryDtls><AddtlNtryInf>transfer</AddtlNtryInf></Ntry>"
        )


def _details(reference: str, amount: str, side: str, version: str, within: str) -> str:
    money = f'<Amt Ccy="EUR">{amount}</Amt>'
    where = f"<AmtDtls><TxAmt>{money}</TxAmt></AmtDtls>" if version == "02" else f"{money}<CdtDbtInd>{side}</CdtDbtInd>"
    return f"<TxDtls><Refs><EndToEndId>{reference}</EndToEndId></Refs>{where}{within}</TxDtls>"


def camt053(
    entries: Sequence[Entry], opening: str = "1000.00", closing: str = "1000.00", *, version: str = "08"
) -> bytes:
    """A statement in euros of the debtor's account. A balance below zero begins with a minus."""
    body = "".join(entry.xml(version) for entry in entries)
    return (
        f"{_start(f'camt.053.001.{version}')}"
        "<BkToCstmrStmt><GrpHdr><MsgId>M1</MsgId><CreDtTm>2026-04-01T06:00:00+02:00</CreDtTm></GrpHdr>"
        "<Stmt><Id>S1</Id><CreDtTm>2026-04-01T06:00:00+02:00</CreDtTm>"
        f"<Acct><Id><IBAN>{DEBTOR.iban}</IBAN></Id><Ccy>EUR</Ccy></Acct>"
        f"{_balance('OPBD', opening, '2026-03-31')}{_balance('CLBD', closing, '2026-03-31')}{body}</Stmt>"
        "</BkToCstmrStmt></Document>"
    ).encode()


def _start(message: str) -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?><Document xmlns="urn:iso:std:iso:20022:tech:xsd:{message}">'


def _balance(code: str, amount: str, day: str) -> str:
    side = "DBIT" if amount.startswith("-") else "CRDT"
    return (
        f'<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">{amount.lstrip("-")}</Amt>'
        f"<CdtDbtInd>{side}</CdtDbtInd><Dt><Dt>{day}</Dt></Dt></Bal>"
    )


def pain002(
    group: str = "",
    payment: str | None = None,
    transfers: Sequence[str] = (),
    *,
    message: str = "",
    version: str = "10",
) -> bytes:
    """A status report: the group's status, the payment block's, and ready elements for transfers."""
    block = "".join(f"<TxInfAndSts>{transfer}</TxInfAndSts>" for transfer in transfers)
    status = f"<PmtInfSts>{payment}</PmtInfSts>" if payment else ""
    payments = f"<OrgnlPmtInfAndSts><OrgnlPmtInfId>P</OrgnlPmtInfId>{status}{block}</OrgnlPmtInfAndSts>"
    return (
        f"{_start(f'pain.002.001.{version}')}"
        "<CstmrPmtStsRpt><GrpHdr><MsgId>R1</MsgId><CreDtTm>2026-03-31T08:00:00+02:00</CreDtTm></GrpHdr>"
        f"<OrgnlGrpInfAndSts><OrgnlMsgId>{message or a_batch().id.hex}</OrgnlMsgId>"
        f"<OrgnlMsgNmId>pain.001.001.09</OrgnlMsgNmId>{group and f'<GrpSts>{group}</GrpSts>'}</OrgnlGrpInfAndSts>"
        f"{payments if payment or transfers else ''}</CstmrPmtStsRpt></Document>"
    ).encode()


def reason(code: str, text: str = "") -> str:
    words = f"<AddtlInf>{text}</AddtlInf>" if text else ""
    return f"<StsRsnInf><Rsn><Cd>{code}</Cd></Rsn>{words}</StsRsnInf>"
