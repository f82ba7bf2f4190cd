"""What can be reported: kinds of reports and what their columns are. The kinds themselves are in ``report_forms``."""

from dataclasses import dataclass
from enum import StrEnum


class ReportKind(StrEnum):
    """What a report has a row for."""

    SALES = "sales"
    SALE_LINES = "sale_lines"
    COMMISSION = "commission"
    REFUNDS = "refunds"
    SETTLEMENT = "settlement"
    STATEMENTS = "statements"
    PAYOUTS = "payouts"
    TAXES = "taxes"


class ReportFormat(StrEnum):
    """How a report is written."""

    CSV = "csv"
    XLSX = "xlsx"


class ColumnType(StrEnum):
    """What a column holds. MONEY is an amount in minor units of the row's currency."""

    TEXT = "text"
    DAY = "day"
    INSTANT = "instant"
    COUNT = "count"
    MONEY = "money"


@dataclass(frozen=True, slots=True)
class ReportColumn:
    """A column: its name for programs, its title for people, and whether it is there unless others are chosen."""

    name: str
    title: str
    type: ColumnType
    is_usual: bool = True

    @property
    def is_figure(self) -> bool:
        """Whether it holds numbers."""
        return self.type in (ColumnType.COUNT, ColumnType.MONEY)


@dataclass(frozen=True, slots=True)
class ReportForm:
    """A kind of report: a row for each ``row``, counted on the day ``counted_on``, in the order of ``sorted_by``.

    Every kind is for the platform, which may name merchants, and for a merchant about itself. Rows can be restricted to
    one currency, and to statuses where ``has_status``. What tells grouped rows apart, where ``is_grouped``, are those
    of the columns without figures that are chosen.
    """

    kind: ReportKind
    title: str
    row: str
    counted_on: str
    columns: tuple[ReportColumn, ...]
    sorted_by: tuple[str, ...]
    is_grouped: bool = False

    @property
    def has_status(self) -> bool:
        """Whether rows can be chosen by their status."""
        return any(column.name == "status" for column in self.columns)

    @property
    def usual(self) -> tuple[str, ...]:
        """The columns of a request that chooses none."""
        return tuple(column.name for column in self.columns if column.is_usual)

    def column(self, name: str) -> ReportColumn:
        """The column of this name. Raises KeyError."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)
