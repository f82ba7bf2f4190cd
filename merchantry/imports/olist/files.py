"""The CSV files of the Olist data set: found, checked, and read row by row with every value's place known."""

import csv
import gzip
import re
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Final, TextIO
from zoneinfo import ZoneInfo

from merchantry.domain.errors import InvalidInput
from merchantry.domain.money import parse_minor

CURRENCY: Final = "BRL"
ZONE: Final = ZoneInfo("America/Sao_Paulo")
"""Times in the files are wall-clock times there."""
EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)

_IDENTIFIER = re.compile(r"[0-9a-f]{32}")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")


class Table(StrEnum):
    """The files, without their endings."""

    ORDERS = "olist_orders_dataset"
    ITEMS = "olist_order_items_dataset"
    PAYMENTS = "olist_order_payments_dataset"
    CUSTOMERS = "olist_customers_dataset"
    SELLERS = "olist_sellers_dataset"
    PRODUCTS = "olist_products_dataset"
    CATEGORIES = "product_category_name_translation"


COLUMNS: Final[Mapping[Table, tuple[str, ...]]] = {
    Table.ORDERS: (
        "order_id",
        "customer_id",
        "order_purchase_timestamp",
        "order_approved_at",
        "order_delivered_carrier_date",
        "order_delivered_customer_date",
    ),
    Table.ITEMS: ("order_id", "order_item_id", "product_id", "seller_id", "price", "freight_value"),
    Table.PAYMENTS: ("order_id", "payment_sequential", "payment_type", "payment_value"),
    Table.CUSTOMERS: ("customer_id", "customer_unique_id", "customer_city", "customer_zip_code_prefix"),
    Table.SELLERS: ("seller_id",),
    Table.PRODUCTS: ("product_id", "product_category_name"),
    Table.CATEGORIES: ("product_category_name", "product_category_name_english"),
}
"""What the import reads; other columns may be there or not."""


class FilesRefused(Exception):
    """The files can't be imported at all; ``problems`` are sentences that name file, column and remedy."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class BrokenRow(Exception):
    """A row whose values can't be right; the text says which and why."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A row that was left out, where it stands, why, and the checkout that was not imported because of it."""

    file: str
    line: int
    reason: str
    checkout: str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its file, the line where it begins, its texts by column."""

    file: str
    line: int
    texts: Mapping[str, str]

    def skipped(self, reason: str) -> Skipped:
        """This row, left out."""
        checkout = self.texts.get("order_id", "")
        return Skipped(self.file, self.line, reason, checkout if _IDENTIFIER.fullmatch(checkout) else None)

    def identifier(self, column: str) -> str:
        """An id of the data set. Raises BrokenRow."""
        text = self.texts[column]
        if not _IDENTIFIER.fullmatch(text):
            raise BrokenRow(f"{column} {text!r} is not an id of 32 hexadecimal digits")
        return text

    def amount_minor(self, column: str) -> int:
        """An amount in centavos, not negative. Raises BrokenRow."""
        text = self.texts[column]
        try:
            amount = parse_minor(text, CURRENCY)
        except InvalidInput as error:
            raise BrokenRow(f"{column} {text!r} is not an amount such as 12.30") from error
        if amount < 0:
            raise BrokenRow(f"{column} {text} is negative")
        return amount

    def number(self, column: str) -> int:
        """A small positive integer. Raises BrokenRow."""
        text = self.texts[column]
        if not re.fullmatch(r"[0-9]{1,6}", text):
            raise BrokenRow(f"{column} {text!r} is not a number")
        return int(text)

    def instant(self, column: str, *, until: datetime) -> datetime | None:
        """A moment, not after ``until``; None where the field is empty. Raises BrokenRow."""
        text = self.texts[column]
        if not text:
            return None
        try:
            if not _INSTANT.fullmatch(text):
                raise ValueError(text)
            moment = datetime.fromisoformat(text).replace(tzinfo=ZONE).astimezone(UTC)
        except ValueError as error:
            raise BrokenRow(f"{column} {text!r} is not a time such as 2018-03-27 18:00:43") from error
        if not EARLIEST <= moment <= until:
            raise BrokenRow(f"{column} {text} lies before {EARLIEST:%Y} or in the future")
        return moment


def find_files(directory: Path) -> dict[Table, Path]:
    """The seven files, plain or gzipped, each with the columns that are read.

    Raises FilesRefused with everything that is missing, so that it is mended at once.
    """
    if not directory.is_dir():
        raise FilesRefused([f"{directory} is not a directory; give the one that holds the Olist CSV files."])
    problems: list[str] = []
    found: dict[Table, Path] = {}
    for table in Table:
        path = _path_of(directory, table)
        if path is None:
            problems.append(f"{table}.csv (or .csv.gz) is missing in {directory}; put it there.")
            continue
        found[table] = path
        problems += _header_problems(path, COLUMNS[table])
    if problems:
        raise FilesRefused(problems)
    return found


def _path_of(directory: Path, table: Table) -> Path | None:
    candidates = (directory / f"{table}.csv", directory / f"{table}.csv.gz")
    return next((path for path in candidates if path.is_file()), None)


def _header_problems(path: Path, columns: tuple[str, ...]) -> list[str]:
    with _readable(path), _open(path) as file:
        header = next(csv.reader(file), [])
    return [
        f"{path.name} has no column {column}; add it, or take the file of the original data set."
        for column in columns
        if column not in header
    ] + [
        f"{path.name} has the column {column} more than once; keep one of them."
        for column in columns
        if header.count(column) > 1
    ]


def rows(path: Path) -> Iterator[Row | Skipped]:
    """The rows of a checked file in its order; those that have too few or too many fields as skipped."""
    with _readable(path), _open(path) as file:
        reader = csv.reader(file)
        header = next(reader)
        line = reader.line_num + 1
        for fields in reader:
            if not fields:
                line = reader.line_num + 1
                continue
            row = Row(path.name, line, dict(zip(header, fields, strict=False)))
            if len(fields) == len(header):
                yield row
            else:
                yield row.skipped(f"the row has {len(fields)} fields instead of {len(header)}")
            line = reader.line_num + 1


def _open(path: Path) -> TextIO:
    """UTF-8 with or without a mark; a byte that is none becomes U+FFFD and is refused with its value."""
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", errors="replace", newline="")
    return path.open(encoding="utf-8-sig", errors="replace", newline="")


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """A file that can't be read to its end is refused as a whole."""
    try:
        yield
    except (OSError, EOFError, zlib.error, csv.Error) as error:
        raise FilesRefused([f"{path.name} can't be read to its end ({error}); fetch it again."]) from error
