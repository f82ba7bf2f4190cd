"""A merchant's receipts as what gives back entries that a restore lost: each is proven before anything is written."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from merchantry.domain.checkpoint import Checkpoint
from merchantry.domain.leaf import BookedEntry, running
from merchantry.domain.ledger_audit import LedgerFileError, exported, read_line
from merchantry.domain.receipt import ENTRY_RECEIPT, Receipt, ReceiptError, checkpoint_of, parse_receipt

Balances = Mapping[tuple[str, str], int]


class ReceiptRefused(ValueError):
    """A receipt gives back nothing; the message names its file and says why."""


@dataclass(frozen=True, slots=True)
class Proven:
    """An entry that a receipt shows as it was booked, and where the log has its leaf."""

    name: str
    booked: BookedEntry
    leaf_index: int
    leaf: bytes


def proven(name: str, document: object, merchant_id: UUID, check_head: Callable[[Receipt], Checkpoint]) -> Proven:
    """What a merchant's receipt shows. ``check_head`` says that the log signed its head, or raises ValueError.

    Raises ReceiptRefused for anything that is not this merchant's, not whole, or not in the tree of that head.
    """
    try:
        receipt = parse_receipt(document)
        if receipt.format != ENTRY_RECEIPT or receipt.entry.canonical is None:
            raise ReceiptError("It is a buyer's receipt, which does not show the entry; give the merchant's")
        if receipt.balances is None or receipt.buyer is None:
            raise ReceiptError("It does not show the balances after the entry, so it can't be booked again")
        line = exported(receipt.entry, receipt.balances, receipt.buyer)
        whose, booked = read_line(json.dumps(line))
        if whose != merchant_id:
            raise ReceiptError(f"It is of merchant {whose}")
        if booked.leaf(merchant_id) != receipt.leaf:
            raise ReceiptError("Its parts do not make its leaf")
        receipt.check(checkpoint_of(receipt))
        check_head(receipt)
    except (ReceiptError, LedgerFileError, ValueError) as error:
        raise ReceiptRefused(f"{name}: {error}") from error
    return Proven(name, booked, receipt.leaf_index, receipt.leaf)


def in_order(found: Sequence[Proven], last_seq: int, expected_after: Callable[[int], int]) -> list[Proven]:
    """Those that go on behind the ledger's last entry, without a hole; what is there already is left out.

    Raises ReceiptRefused that says which number is missing.
    """
    by_seq = {each.booked.seq: each for each in found if each.booked.seq > last_seq}
    ordered: list[Proven] = []
    for seq in sorted(by_seq):
        expected = expected_after(last_seq)
        if seq != expected:
            raise ReceiptRefused(
                f"{by_seq[seq].name}: entry {seq} can't follow; the receipt of entry {expected} is missing"
            )
        ordered.append(by_seq[seq])
        last_seq = seq
    return ordered


def balances_after(ordered: Sequence[Proven], before: Balances) -> dict[tuple[str, str], int]:
    """What stands on each account that the entries touch, after the last. Raises ReceiptRefused where what an entry
    says of balances does not follow from what the books hold."""
    held = dict(before)
    touched: dict[tuple[str, str], int] = {}
    for each in ordered:
        entry = each.booked.entry
        for posting in entry.postings:
            key = (str(posting.account), posting.currency)
            held[key] = touched[key] = held.get(key, 0) + posting.amount_minor
        for account, currency, stated_minor in running(entry, each.booked.balances or ()):
            if stated_minor != held[account, currency]:
                raise ReceiptRefused(
                    f"{each.name}: entry {each.booked.seq} leaves {account} at {stated_minor} {currency},"
                    f" and after the books it would be {held[account, currency]}"
                )
    return touched
