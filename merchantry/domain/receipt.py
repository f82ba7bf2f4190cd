"""Receipts: what anybody needs to check, without us, that an entry is in the public log (docs/receipts.md).

Two kinds: a merchant's, which shows the entry and the balances after it, and a buyer's, which shows what the entry says
to its buyer and nothing of how the money was divided.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeGuard

from merchantry.domain.checkpoint import Checkpoint
from merchantry.domain.leaf import (
    balances_commitment,
    buyer_commitment,
    entry_leaf,
)
from merchantry.domain.ledger import commitment
from merchantry.domain.merkle import ProofError, check_inclusion, leaf_hash
from merchantry.domain.note import Note, NoteError

ENTRY_RECEIPT: Final = "merchantry-entry-receipt/v1"
BUYER_RECEIPT: Final = "merchantry-buyer-receipt/v1"
HASH_TEXT: Final = 64


class ReceiptError(ValueError):
    """A receipt is malformed, or does not show what it claims."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A part of a leaf: either its bytes and salt, or only the commitment to them."""

    commitment: bytes
    canonical: str | None = None
    salt: bytes | None = None

    def document(self) -> dict[str, Any]:
        """As it stands in the file."""
        if self.canonical is None or self.salt is None:
            return {"commitment": self.commitment.hex()}
        return {"canonical": self.canonical, "salt": self.salt.hex()}


@dataclass(frozen=True, slots=True)
class Receipt:
    """An entry's leaf in its parts, its place, and the proof that the checkpoint's tree holds it there.

    An entry from before balances were bound into leaves has neither ``balances`` nor ``buyer``; its commitment is its
    leaf.
    """

    format: str
    entry: Shown
    balances: Shown | None
    buyer: Shown | None
    leaf_index: int
    proof: Sequence[bytes]
    checkpoint: Note

    def document(self) -> dict[str, Any]:
        """The receipt as JSON values; texts are UTF-8, hashes and salts hexadecimal, the proof Base64."""
        return {
            "format": self.format,
            "entry": self.entry.document(),
            "balances": None if self.balances is None else self.balances.document(),
            "buyer": None if self.buyer is None else self.buyer.document(),
            "leaf_index": str(self.leaf_index),
            "inclusion_proof": [base64.b64encode(each).decode() for each in self.proof],
            "checkpoint": str(self.checkpoint),
        }

    @property
    def leaf(self) -> bytes:
        """The leaf that the parts make."""
        if self.balances is None or self.buyer is None:
            return self.entry.commitment
        return entry_leaf(self.entry.commitment, self.balances.commitment, self.buyer.commitment)

    def check(self, checkpoint: Checkpoint) -> None:
        """That the leaf is in the tree of the checkpoint. Whose signatures it bears is another question.

        Raises ReceiptError where it isn't.
        """
        try:
            check_inclusion(leaf_hash(self.leaf), self.leaf_index, checkpoint.size, self.proof, checkpoint.root)
        except ProofError as error:
            raise ReceiptError(f"The receipt is not of this log: {error}") from error


_BOUND: Final = {"entry": commitment, "balances": balances_commitment, "buyer": buyer_commitment}


def parse_receipt(document: object) -> Receipt:
    """A receipt's JSON values. Raises ReceiptError that names the member."""
    if not _is_object(document) or document.get("format") not in (ENTRY_RECEIPT, BUYER_RECEIPT):
        raise ReceiptError(f"A receipt is a JSON object whose format is {ENTRY_RECEIPT} or {BUYER_RECEIPT}")
    entry = _part(document, "entry")
    if entry is None:
        raise ReceiptError("entry is missing")
    proof = document.get("inclusion_proof")
    index, note = document.get("leaf_index"), document.get("checkpoint")
    if not isinstance(index, str) or not index.isascii() or not index.isdigit() or len(index) > 18:
        raise ReceiptError("leaf_index is not a number in a text")
    if not isinstance(proof, list) or not isinstance(note, str):
        raise ReceiptError("inclusion_proof is not a list, or checkpoint is no text")
    try:
        hashes = [base64.b64decode(each, validate=True) for each in proof]
        checkpoint = Note.parse(note)
    except (ValueError, TypeError) as error:
        raise ReceiptError(f"inclusion_proof or checkpoint: {error}") from error
    parts = (entry, _part(document, "balances"), _part(document, "buyer"))
    return Receipt(str(document["format"]), *parts, int(index), hashes, checkpoint)


def checkpoint_of(receipt: Receipt) -> Checkpoint:
    """What the receipt's own note says. Raises ReceiptError."""
    try:
        return Checkpoint.parse(receipt.checkpoint.text)
    except NoteError as error:
        raise ReceiptError(f"checkpoint: {error}") from error


def _part(document: dict[str, Any], name: str) -> Shown | None:
    part = document.get(name)
    if part is None:
        return None
    if not _is_object(part):
        raise ReceiptError(f"{name} is no object")
    if "canonical" not in part:
        return Shown(_hash(part, name, "commitment"))
    canonical, salt = part["canonical"], _hash(part, name, "salt")
    if not isinstance(canonical, str):
        raise ReceiptError(f"{name}.canonical is no text")
    return Shown(_BOUND[name](salt, canonical.encode("utf-8", "surrogatepass")), canonical, salt)


def _hash(part: dict[str, Any], name: str, member: str) -> bytes:
    text = part.get(member)
    try:
        if isinstance(text, str) and len(text) == HASH_TEXT:
            return bytes.fromhex(text)
    except ValueError:
        pass
    raise ReceiptError(f"{name}.{member} is not 32 bytes in hexadecimal")


def _is_object(value: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)
