"""What all writers share: columns, rows of cells, and documents made of facts and tables."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TypeAlias

from merchantry.domain.money import Money, format_minor
from merchantry.languages.language import DEFAULT, Language

Cell: TypeAlias = "str | int | Money | date | datetime | None"
"""Instants are shown in the time zone that they carry. None is an empty cell."""

Row: TypeAlias = Sequence[Cell]


@dataclass(frozen=True, slots=True)
class Column:
    """A column: `name` for machines (CSV), `title` for people, `width` in characters; figures stand to the right.

    `is_word`: its texts are words of the program's, which have translations; all other texts are shown as they are.
    """

    name: str
    title: str
    width: int
    is_figure: bool = False
    is_word: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under columns. Raises ValueError where a row has other than as many cells."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def __post_init__(self) -> None:
        for row in self.rows:
            check_row(self.columns, row)


@dataclass(frozen=True, slots=True)
class Document:
    """A numbered document: facts with their labels, then tables.

    CSV holds one table only: `detail`, which is among the tables, with the `keys` in front of every row, so that the
    files of several documents can be put together. `dated` is what files say that they were made at. Texts are English
    here; PDFs are written in the `language`.
    """

    title: str
    number: str
    issuer: str
    dated: datetime
    facts: tuple[tuple[str, Cell], ...]
    tables: tuple[Table, ...]
    detail: Table
    keys: tuple[tuple[Column, Cell], ...]
    content_hash: bytes
    language: Language = DEFAULT

    @property
    def hash_shown(self) -> str:
        """The content hash as documents show it."""
        return f"SHA-256 {self.content_hash.hex()}"


def check_row(columns: Sequence[Column], row: Row) -> None:
    """Refuse a row that does not fit its columns. Raises ValueError."""
    if len(row) != len(columns):
        raise ValueError(f"A row has {len(row)} cells under {len(columns)} columns")


def shown(cell: Cell) -> str:
    """The cell as people read it: amounts without their currency, instants to the minute."""
    if isinstance(cell, datetime):
        return cell.isoformat(sep=" ", timespec="minutes")
    return exact(cell)


def exact(cell: Cell) -> str:
    """The cell as programs read it: amounts as decimals with the currency's digits, instants and days as ISO 8601."""
    if cell is None:
        return ""
    if isinstance(cell, Money):
        return format_minor(cell.amount_minor, cell.currency)
    if isinstance(cell, date):
        return cell.isoformat()
    return str(cell)
