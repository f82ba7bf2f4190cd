"""What the bank says of a file that it was given: ISO 20022 pain.002.001, versions 03 to 14."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from merchantry.gateways.iso20022.document import Node, document
from merchantry.gateways.payout import Answer, TransferStatus

MESSAGE = "pain.002.001"
VERSIONS = range(3, 15)
REJECTED = ("RJCT", "CANC")
PAID = ("ACSC", "ACCC")
PARTLY = "PART"
"""Of a group: its parts say more, each for itself."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The bank's word on one transfer; without both ids, on every transfer of the message.

    ``code`` is the bank's (ExternalPaymentTransactionStatus1Code), ``status`` what it means here: only ACSC and ACCC
    are PAID, only RJCT and CANC are REJECTED, and whatever else is ACCEPTED, as it is not final.
    """

    message_id: str
    instruction_id: str | None
    end_to_end_id: str | None
    code: str
    status: TransferStatus
    reason_code: str | None
    reason_text: str | None
    provider_reference: str | None

    def answer(self, occurred_at: datetime | None) -> Answer:
        """The verdict as an answer."""
        reason = " ".join(filter(None, (self.code, self.reason_code, self.reason_text)))
        return Answer(self.status, self.provider_reference, reason, occurred_at)


@dataclass(frozen=True, slots=True)
class StatusReport:
    """One report about one message of ours, ``message_id``."""

    id: str
    created_at: datetime | None
    message_id: str
    verdicts: tuple[Verdict, ...]

    def answer_for(self, key: UUID, reference: str) -> Answer | None:
        """What it says of an instruction that was in that message; None where it says nothing.

        The word on the transfer itself goes before the word on all of them.
        """
        for verdict in self.verdicts:
            if verdict.instruction_id == key.hex or verdict.end_to_end_id == reference:
                return verdict.answer(self.created_at)
        for verdict in self.verdicts:
            if verdict.instruction_id is None and verdict.end_to_end_id is None:
                return verdict.answer(self.created_at)
        return None


def read(data: bytes) -> StatusReport:
    """The report. Raises BankFileInvalid, also where it rejects the whole and yet accepts a part."""
    report = document(data, MESSAGE, VERSIONS).the("CstmrPmtStsRpt")
    group = report.the("OrgnlGrpInfAndSts")
    message_id = group.the("OrgnlMsgId").words()
    return StatusReport(
        id=report.the("GrpHdr", "MsgId").words(),
        created_at=report.the("GrpHdr", "CreDtTm").instant(),
        message_id=message_id,
        verdicts=tuple(_verdicts(report, group, message_id)),
    )


def _verdicts(report: Node, group: Node, message_id: str) -> Iterator[Verdict]:
    """The transfers' own first, then what holds for all. Our files have one payment block, so its word is for all."""
    payments = list(report.each("OrgnlPmtInfAndSts"))
    of_group = _verdict(group, "GrpSts", message_id)
    of_payments = [_verdict(payment, "PmtInfSts", message_id) for payment in payments]
    said = [verdict for verdict in of_payments if verdict]
    if len({verdict.status for verdict in said}) > 1:
        raise report.invalid("its payment blocks contradict each other (PmtInfSts), and the file had one")
    wholes = [*said[:1], *([of_group] if of_group else [])]
    for payment, of_payment in zip(payments, of_payments, strict=True):
        _check_within(payment, of_payment, of_group)
        for transfer in payment.each("TxInfAndSts"):
            verdict = _verdict(transfer, "TxSts", message_id)
            _check_within(transfer, verdict, *wholes)
            if verdict and not (verdict.instruction_id or verdict.end_to_end_id):
                raise transfer.invalid("it names no transfer (OrgnlInstrId or OrgnlEndToEndId)")
            if verdict:
                yield verdict
    yield from wholes


def _check_within(node: Node, verdict: Verdict | None, *wholes: Verdict | None) -> None:
    """A rejection of the whole is final for its parts: a report that says otherwise can't be acted upon."""
    rejected = any(whole and whole.status is TransferStatus.REJECTED for whole in wholes)
    if rejected and verdict and verdict.status is not TransferStatus.REJECTED:
        raise node.invalid(f"it is {verdict.code[:20]}, and yet the whole that it belongs to is rejected")


def _verdict(node: Node, status_name: str, message_id: str) -> Verdict | None:
    code = node.maybe_words(status_name)
    if code is None or code == PARTLY:
        return None
    reasons = list(node.each("StsRsnInf"))
    texts = [text.element.text for reason in reasons for text in reason.each("AddtlInf")]
    return Verdict(
        message_id=message_id,
        instruction_id=node.maybe_words("OrgnlInstrId"),
        end_to_end_id=node.maybe_words("OrgnlEndToEndId"),
        code=code,
        status=_status(code),
        reason_code=next(filter(None, map(_reason_code, reasons)), None),
        reason_text=" ".join(text.strip() for text in texts if text) or None,
        provider_reference=node.maybe_words("AcctSvcrRef"),
    )


def _status(code: str) -> TransferStatus:
    if code in REJECTED:
        return TransferStatus.REJECTED
    return TransferStatus.PAID if code in PAID else TransferStatus.ACCEPTED


def _reason_code(reason: Node) -> str | None:
    return reason.maybe_words("Rsn", "Cd") or reason.maybe_words("Rsn", "Prtry")
