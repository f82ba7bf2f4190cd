"""Credit transfers as a file for the bank: ISO 20022 pain.001.001.09.

One file is one batch with one payment block. The same input gives the same bytes, in whatever order the
instructions come.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from decimal import Decimal
from uuid import UUID

from pyiso20022.pain import pain_001_001_09 as pain
from xsdata.formats.dataclass.serializers import XmlSerializer
from xsdata.formats.dataclass.serializers.config import SerializerConfig
from xsdata.models.datatype import XmlDate, XmlDateTime

from merchantry.domain.money import format_minor
from merchantry.gateways.iso20022.letters import in_bank_letters
from merchantry.gateways.payout import Batch, Instruction, PayeeBank, check_batch

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"
LONGEST_NAME = 70
MOST_DIGITS = 18
"""Digits of an amount or a sum (ISO 20022, ActiveOrHistoricCurrencyAndAmount and DecimalNumber)."""


# Forms that the file's schema takes; whether an account can exist is for account_numbers, before it is ever paid into.
_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{1,30}")
_BIC = re.compile(r"[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}([A-Z0-9]{3})?")
_NUMBER = re.compile(r"[A-Za-z0-9]{1,34}")


@dataclass(frozen=True, slots=True)
class Debtor:
    """Whose account the money leaves: by its IBAN, or by its number at the bank."""

    name: str
    iban: str | None
    account_number: str | None
    bic: str | None

    def __post_init__(self) -> None:
        if not (self.iban or self.account_number) or not in_bank_letters(self.name, LONGEST_NAME):
            raise ValueError("A debtor needs a name and an account")


def message_id(batch: Batch) -> str:
    """What the file calls itself, and the bank's status reports refer to."""
    return batch.id.hex


def batch_of(message: str) -> UUID | None:
    """The batch of a message id; None where it is none of ours."""
    try:
        batch = UUID(hex=message)
    except ValueError:
        return None
    return batch if batch.hex == message else None


def refusal(instruction: Instruction) -> str | None:
    """Why an instruction can't stand in such a file, or None."""
    payee = instruction.payee
    if not isinstance(payee, PayeeBank):
        return "a bank pays into bank accounts only"
    if not in_bank_letters(payee.holder, LONGEST_NAME):
        return "the account's holder has no name that a bank can write"
    if not payee.iban and not (payee.account_number and payee.bic):
        return "the account has neither an IBAN nor a number with its bank's BIC"
    for form, text in ((_IBAN, payee.iban), (_BIC, payee.bic), (_NUMBER, payee.account_number)):
        if text and not form.fullmatch(text):
            return "the account's IBAN, number or BIC has not the form of one"
    return None


def write(batch: Batch, debtor: Debtor, instructions: Sequence[Instruction]) -> bytes:
    """The file. Raises ValueError for instructions that can't stand in it: ask :func:`refusal` first."""
    check_batch(instructions, batch)
    for instruction in instructions:
        if reason := refusal(instruction):
            raise ValueError(f"The instruction {instruction.key} can't be written: {reason}")
    ordered = sorted(instructions, key=lambda instruction: instruction.key)
    document = pain.Document(
        cstmr_cdt_trf_initn=pain.CustomerCreditTransferInitiationV09(
            grp_hdr=pain.GroupHeader85(
                msg_id=message_id(batch),
                cre_dt_tm=XmlDateTime.from_datetime(batch.created_at.astimezone(UTC).replace(microsecond=0)),
                nb_of_txs=str(len(ordered)),
                ctrl_sum=_control_sum(batch, ordered),
                initg_pty=_party(debtor.name),
            ),
            pmt_inf=[_payment_block(batch, debtor, ordered)],
        )
    )
    serializer = XmlSerializer(config=SerializerConfig(indent="  "))
    return serializer.render(document, ns_map={None: NAMESPACE}).encode()


def _payment_block(batch: Batch, debtor: Debtor, instructions: Sequence[Instruction]) -> pain.PaymentInstruction30:
    sepa = batch.currency == "EUR" and all(_has_iban(instruction) for instruction in instructions)
    service = pain.PaymentTypeInformation26(svc_lvl=[pain.ServiceLevel8Choice(cd="SEPA")]) if sepa else None
    return pain.PaymentInstruction30(
        pmt_inf_id=f"{message_id(batch)}-1",
        pmt_mtd=pain.PaymentMethod3Code.TRF,
        btch_bookg=False,  # one bank line for each transfer, so that each can be matched
        nb_of_txs=str(len(instructions)),
        ctrl_sum=_control_sum(batch, instructions),
        pmt_tp_inf=service,
        reqd_exctn_dt=pain.DateAndDateTime2Choice(dt=XmlDate.from_date(batch.execute_on)),
        dbtr=_party(debtor.name),
        dbtr_acct=_account(debtor.iban, debtor.account_number),
        dbtr_agt=_agent(debtor.bic),
        chrg_br=pain.ChargeBearerType1Code.SLEV if sepa else pain.ChargeBearerType1Code.SHAR,
        cdt_trf_tx_inf=[_transfer(instruction) for instruction in instructions],
    )


def _transfer(instruction: Instruction) -> pain.CreditTransferTransaction34:
    payee = instruction.payee
    if not isinstance(payee, PayeeBank):
        raise TypeError(f"{type(payee).__name__} is no account at a bank")
    amount = Decimal(format_minor(instruction.amount_minor, instruction.currency))
    return pain.CreditTransferTransaction34(
        pmt_id=pain.PaymentIdentification6(instr_id=instruction.key.hex, end_to_end_id=instruction.reference),
        amt=pain.AmountType4Choice(
            instd_amt=pain.ActiveOrHistoricCurrencyAndAmount(value=amount, ccy=instruction.currency)
        ),
        cdtr_agt=_agent(payee.bic) if payee.bic else None,
        cdtr=_party(payee.holder),
        cdtr_acct=_account(payee.iban, payee.account_number),
        rmt_inf=pain.RemittanceInformation16(ustrd=[instruction.reference]),
    )


def _control_sum(batch: Batch, instructions: Sequence[Instruction]) -> Decimal:
    total = format_minor(sum(instruction.amount_minor for instruction in instructions), batch.currency)
    if len(total.replace(".", "")) > MOST_DIGITS:
        raise ValueError(f"The batch's sum {total} has more digits than a file can hold; divide the batch")
    return Decimal(total)


def _has_iban(instruction: Instruction) -> bool:
    return isinstance(instruction.payee, PayeeBank) and instruction.payee.iban is not None


def _party(name: str) -> pain.PartyIdentification135:
    return pain.PartyIdentification135(nm=in_bank_letters(name, LONGEST_NAME))


def _account(iban: str | None, number: str | None) -> pain.CashAccount38:
    if iban:
        return pain.CashAccount38(id=pain.AccountIdentification4Choice(iban=iban))
    other = pain.GenericAccountIdentification1(id=number or "")
    return pain.CashAccount38(id=pain.AccountIdentification4Choice(othr=other))


def _agent(bic: str | None) -> pain.BranchAndFinancialInstitutionIdentification6:
    """The bank; NOTPROVIDED is SEPA's word for one that its IBAN tells."""
    if bic:
        known = pain.FinancialInstitutionIdentification18(bicfi=bic)
    else:
        known = pain.FinancialInstitutionIdentification18(othr=pain.GenericFinancialIdentification1(id="NOTPROVIDED"))
    return pain.BranchAndFinancialInstitutionIdentification6(fin_instn_id=known)
