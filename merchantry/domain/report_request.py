"""A request for a report: which kind, of which days, with which columns, as which file."""

import re
from calendar import monthrange
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from merchantry.domain.errors import InvalidInput, UnknownCurrency
from merchantry.domain.money import CURRENCY_DIGITS
from merchantry.domain.report_forms import FORMS
from merchantry.domain.report_kind import ColumnType, ReportColumn, ReportFormat, ReportKind
from merchantry.domain.worded import Worded

FIRST_DAY: Final = date(1970, 1, 1)
LAST_DAY: Final = date(9999, 1, 1)
"""Spans lie between these days, so that they begin and end at an instant in every zone."""

MAX_MERCHANTS: Final = 1_000
MAX_STATUSES: Final = 20
_SLUG: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_STATUS: Final = re.compile(r"[a-z_]{1,40}")


@dataclass(frozen=True, slots=True)
class Choice:
    """What a report shows, of whichever days.

    ``columns`` are names in the order wanted. ``merchants`` are slugs, None for all. Without ``currency`` all are
    shown, without ``statuses`` all.
    """

    kind: ReportKind
    columns: tuple[str, ...]
    merchants: tuple[str, ...] | None = None
    currency: str | None = None
    statuses: tuple[str, ...] = ()

    @property
    def shown(self) -> list[ReportColumn]:
        """The columns in the order wanted."""
        form = FORMS[self.kind]
        return [form.column(name) for name in self.columns]

    @property
    def grouped_by(self) -> list[str]:
        """The columns without figures, which tell grouped rows apart."""
        return [column.name for column in self.shown if not column.is_figure]

    def document(self) -> dict[str, Any]:
        """As JSON; ``from_document`` reads it again."""
        return {
            "kind": self.kind.value,
            "columns": list(self.columns),
            "merchants": None if self.merchants is None else list(self.merchants),
            "currency": self.currency,
            "statuses": list(self.statuses),
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Choice":
        """What ``document`` wrote."""
        merchants = document["merchants"]
        return cls(
            ReportKind(document["kind"]),
            tuple(document["columns"]),
            None if merchants is None else tuple(merchants),
            document["currency"],
            tuple(document["statuses"]),
        )


@dataclass(frozen=True, slots=True)
class Span:
    """Days with ``date_from <= day < date_to``."""

    date_from: date
    date_to: date

    def __post_init__(self) -> None:
        for name, day in (("from", self.date_from), ("to", self.date_to)):
            if not FIRST_DAY <= day <= LAST_DAY:
                raise InvalidInput(
                    reason=Worded("Give a day from {first_day} to {last_day}.", first_day=FIRST_DAY, last_day=LAST_DAY),
                    path=(name,),
                )
        if self.date_from >= self.date_to:
            reason = "The span is empty: its end is the first day that no longer counts, so it must be after its start."
            raise InvalidInput(reason=reason, path=("to",))

    def instants(self, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """The half-open span of instants that these days are in a zone. A day whose midnight the clocks skip begins
        when they have been set forward.
        """
        return _midnight(self.date_from, zone), _midnight(self.date_to, zone)

    def within(self, *, day: date | None = None, week: date | None = None, month: str | None = None) -> "Span":
        """The days of this span that a report's row is about: of one day, one week (its Monday), one month (2018-07),
        or all of them."""
        first, last = self.date_from, self.date_to
        spans = [(day, 1)] if day else []
        spans += [(week, 7)] if week else []
        if month:
            begins = date.fromisoformat(f"{month}-01")
            spans.append((begins, monthrange(begins.year, begins.month)[1]))
        for begins, days in spans:
            first, last = max(first, begins), min(last, begins + timedelta(days=days))
        return Span(first, last)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)


@dataclass(frozen=True, slots=True)
class ReportRequest:
    """What is to be shown, of which days, as which file."""

    choice: Choice
    span: Span
    format: ReportFormat


def choose(
    kind: ReportKind,
    columns: Sequence[str] = (),
    *,
    merchants: Sequence[str] | None = None,
    currency: str | None = None,
    statuses: Sequence[str] = (),
) -> Choice:
    """A choice that can be shown; without columns, the usual ones.

    Raises InvalidInput, with the input that is wrong as its path, and UnknownCurrency.
    """
    form = FORMS[kind]
    chosen = tuple(columns) or form.usual
    _check_columns(kind, chosen)
    if merchants is not None:
        _check_names(merchants, _SLUG, MAX_MERCHANTS, "merchants", "slugs of merchants")
    if currency is not None and currency not in CURRENCY_DIGITS:
        raise UnknownCurrency(currency=currency[:12], path=("currency",))
    if statuses and not form.has_status:
        reason = Worded("Rows of the report {kind} have no status; leave it out.", kind=kind)
        raise InvalidInput(reason=reason, path=("statuses",))
    _check_names(statuses, _STATUS, MAX_STATUSES, "statuses", "statuses such as completed")
    return Choice(kind, chosen, None if merchants is None else tuple(merchants), currency, tuple(statuses))


def _check_columns(kind: ReportKind, chosen: Sequence[str]) -> None:
    form = FORMS[kind]
    known = [column.name for column in form.columns]
    for position, name in enumerate(chosen):
        if name not in known:
            reason = Worded(
                "The report {kind} has no column {name}; choose of {known}.",
                kind=kind,
                name=name[:40],
                known=", ".join(known),
            )
            raise InvalidInput(reason=reason, path=("columns", position))
        if name in chosen[:position]:
            raise InvalidInput(
                reason=Worded("The column {name} is chosen twice; choose it once.", name=name),
                path=("columns", position),
            )
    has_money = any(form.column(name).type is ColumnType.MONEY for name in chosen)
    if has_money and "currency" not in chosen:
        reason = Worded("Amounts say nothing without their currency; choose the column currency too.")
        raise InvalidInput(reason=reason, path=("columns",))


def _check_names(given: Sequence[str], pattern: re.Pattern[str], most: int, name: str, what: str) -> None:
    if len(given) > most:
        raise InvalidInput(reason=Worded("Give at most {most} {what}.", most=most, what=what), path=(name,))
    for position, text in enumerate(given):
        if not pattern.fullmatch(text):
            raise InvalidInput(
                reason=Worded("These are no {what}; check their spelling.", what=what), path=(name, position)
            )
