"""What stands inside a backup's file: tables one after the other, as records that can be read while they come in.

A record is a letter, 4 bytes of length (big-endian) and its bytes: ``T`` begins a table (JSON: place, name, columns),
``D`` is a piece of what COPY wrote of it, ``E`` ends it.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final

from merchantry.vault.container import FileDamaged
from tenancy.snapshot import TableShape

OWN: Final = "merchant"
"""The place of tables in the merchant's schema; they are what is restored."""
BESIDE: Final = "platform"
"""The place of rows of ``platform`` about the merchant: what the books are checked against in a drill."""

PIECE_BYTES: Final = 64 * 1024
_MOST_RECORD: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Counted:
    """A table as the manifest names it."""

    place: str
    name: str
    columns: tuple[str, ...]
    rows: int
    bytes: int
    sha256: str

    @classmethod
    def of(cls, document: dict[str, Any]) -> "Counted":
        """From a manifest. Raises FileDamaged."""
        try:
            return cls(**{**document, "columns": tuple(document["columns"])})
        except (KeyError, TypeError) as error:
            raise FileDamaged("The manifest names a table in a way that can't be read.") from error

    def document(self) -> dict[str, Any]:
        """As the manifest holds it."""
        return asdict(self)


class TableWriter:
    """Writes one table's records, counting."""

    def __init__(self, place: str, table: TableShape, write: Callable[[bytes], None]) -> None:
        self._write = write
        self._table, self._place = table, place
        self._piece = bytearray()
        self._digest = hashlib.sha256()
        self._bytes = 0
        head = json.dumps({"place": place, "name": table.name, "columns": table.columns})
        self._record(b"T", head.encode())

    def add(self, chunk: bytes) -> None:
        """What COPY wrote next."""
        self._piece += chunk
        self._digest.update(chunk)
        self._bytes += len(chunk)
        while len(self._piece) >= PIECE_BYTES:
            self._record(b"D", bytes(self._piece[:PIECE_BYTES]))
            del self._piece[:PIECE_BYTES]

    def end(self, rows: int) -> Counted:
        """That was all of it."""
        if self._piece:
            self._record(b"D", bytes(self._piece))
        self._record(b"E", b"")
        name, columns = self._table.name, self._table.columns
        return Counted(self._place, name, columns, rows, self._bytes, self._digest.hexdigest())

    def _record(self, kind: bytes, content: bytes) -> None:
        self._write(kind + len(content).to_bytes(4, "big") + content)


@dataclass(frozen=True, slots=True)
class TableContent:
    """A table as it comes in: ``pieces`` must be used up before the next table."""

    place: str
    shape: TableShape
    pieces: Iterator[bytes]


def tables_of(content: Iterable[bytes], counted: Iterable[Counted]) -> Iterator[TableContent]:
    """Every table of a content, compared with what the manifest counted. Raises FileDamaged where they differ."""
    source = _Source(content)
    for expected in counted:
        head = source.record()
        if head is None or head[0] != b"T":
            raise FileDamaged(f"The table {expected.name} is missing.")
        shape = TableShape(expected.name, expected.columns)
        named = json.loads(head[1])
        if (named["place"], named["name"], tuple(named["columns"])) != (expected.place, shape.name, shape.columns):
            raise FileDamaged(f"The table {expected.name} is not where the manifest says.")
        yield TableContent(expected.place, shape, _pieces(source, expected))
    if source.record() is not None:
        raise FileDamaged("There is more in the file than the manifest says.")


def _pieces(source: "_Source", expected: Counted) -> Iterator[bytes]:
    digest = hashlib.sha256()
    while (record := source.record()) is not None and record[0] == b"D":
        digest.update(record[1])
        yield record[1]
    if record is None or record[0] != b"E" or digest.hexdigest() != expected.sha256:
        raise FileDamaged(f"The table {expected.name} is not what the manifest says.")


class _Source:
    """Records out of pieces of any size."""

    def __init__(self, content: Iterable[bytes]) -> None:
        self._content = iter(content)
        self._held = bytearray()

    def record(self) -> tuple[bytes, bytes] | None:
        """The next record, None at the end."""
        if not self._fill(5):
            if self._held:
                raise FileDamaged("A record was cut off.")
            return None
        size = int.from_bytes(self._held[1:5], "big")
        if size > _MOST_RECORD or not self._fill(5 + size):
            raise FileDamaged("A record was cut off.")
        kind, content = bytes(self._held[:1]), bytes(self._held[5 : 5 + size])
        del self._held[: 5 + size]
        return kind, content

    def _fill(self, size: int) -> bool:
        while len(self._held) < size:
            piece = next(self._content, None)
            if piece is None:
                return False
            self._held += piece
        return True
