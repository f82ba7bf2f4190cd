"""PDF by ReportLab: BSD licence, alive, can write the same bytes each time, and knows Asian fonts without shipping any.

Pages are laid out first and drawn second, because each says how many there are.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC
from pathlib import Path
from typing import BinaryIO, Final

from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

from merchantry.documents.fonts import BOLD, PLAIN, Typefaces
from merchantry.documents.table import Column, Document, Table
from merchantry.documents.wording import cell, label, under
from merchantry.languages.language import Language

_PAGE_WIDTH, _PAGE_HEIGHT = A4
_MARGIN: Final = 42.0
_BOTTOM: Final = 62.0
_USABLE: Final = _PAGE_WIDTH - 2 * _MARGIN
_LABEL_WIDTH: Final = 110.0
_GAP: Final = 6.0
_TITLE: Final = 16.0
_TEXT: Final = 9.0
_TABLE: Final = 7.0
_FOOT: Final = 7.0
_LEADING: Final = 1.35
PAGE: Final = "Page {number} of {pages}"


@dataclass(frozen=True, slots=True)
class _Words:
    """A line of text; `x` is its left end, or its right end. Points from the page's lower left corner."""

    x: float
    y: float
    text: str
    font: str
    size: float
    to_the_right: bool = False


@dataclass(slots=True)
class _Layout:
    """Pages that fill from the top; `y` is where the next line goes."""

    faces: Typefaces
    pages: list[list[_Words]] = field(default_factory=lambda: [[]])
    y: float = _PAGE_HEIGHT - _MARGIN

    def has_room(self, height: float) -> bool:
        return self.y - height >= _BOTTOM

    def turn(self) -> None:
        self.pages.append([])
        self.y = _PAGE_HEIGHT - _MARGIN

    def put(self, x: float, text: str, font: str, size: float, *, to_the_right: bool = False, down: int = 0) -> None:
        """Text on the line that is `down` lines below the next one."""
        baseline = self.y - size - down * size * _LEADING
        self.pages[-1].append(_Words(x, baseline, text, font, size, to_the_right))

    def advance(self, size: float, lines: int = 1) -> None:
        self.y -= lines * size * _LEADING


def write_document(document: Document, out: BinaryIO, *, fonts: Sequence[Path] = ()) -> None:
    """Write the document. The content hash is on every page, and among the file's keywords.

    `fonts` are TrueType files to embed for texts beyond Western European. Raises ValueError for rows above a page.
    """
    faces = Typefaces(fonts)
    layout = _Layout(faces)
    _head(layout, document)
    for table in document.tables:
        _table(layout, table, document.language)
    canvas = _canvas(document, out)
    for number, page in enumerate(layout.pages, start=1):
        for words in page:
            _draw(canvas, faces, words)
        _foot(canvas, faces, document, _page(number, len(layout.pages), document.language))
        canvas.showPage()
    canvas.save()


def _titled(document: Document) -> str:
    return f"{label(document.title, document.language)} {document.number}"


def _page(number: int, pages: int, language: Language) -> str:
    return label(PAGE, language).format(number=number, pages=pages)


def _canvas(document: Document, out: BinaryIO) -> Canvas:
    """A canvas whose file says nothing of the machine, the moment or the environment that it is made in."""
    language = None if document.language is Language.EN else document.language.tag
    canvas = Canvas(out, pagesize=A4, invariant=1, pageCompression=1, lang=language)
    canvas.setTitle(_titled(document))
    canvas.setAuthor(document.issuer)
    canvas.setSubject(label(document.title, document.language))
    canvas.setKeywords(document.hash_shown)
    canvas.setCreator("Merchantry")
    canvas.setProducer("Merchantry")
    dated = document.dated.astimezone(UTC).strftime("D:%Y%m%d%H%M%SZ")
    canvas.setDateFormatter(lambda *_: dated)
    # The file's id comes from the content; ReportLab would mix SOURCE_DATE_EPOCH into it.
    canvas._doc.signature = hashlib.sha256(document.content_hash)  # type: ignore[attr-defined]
    return canvas


def _head(layout: _Layout, document: Document) -> None:
    for line in layout.faces.wrap(_titled(document), BOLD, _TITLE, _USABLE):
        layout.put(_MARGIN, line, BOLD, _TITLE)
        layout.advance(_TITLE)
    layout.y -= _TEXT
    for name, value in document.facts:
        lines = layout.faces.wrap(cell(value, document.language), PLAIN, _TEXT, _USABLE - _LABEL_WIDTH)
        for position, line in enumerate(lines):
            if not layout.has_room(_TEXT * _LEADING):
                layout.turn()
            if position == 0:
                layout.put(_MARGIN, label(name, document.language), BOLD, _TEXT)
            layout.put(_MARGIN + _LABEL_WIDTH, line, PLAIN, _TEXT)
            layout.advance(_TEXT)


def _table(layout: _Layout, table: Table, language: Language) -> None:
    """The table under its title; the column titles come again on every page."""
    widths = _widths(table.columns)
    titles = [label(column.title, language) for column in table.columns]
    layout.y -= 2 * _TEXT
    if not layout.has_room(_TEXT * _LEADING + 4 * _TABLE * _LEADING):
        layout.turn()
    layout.put(_MARGIN, label(table.title, language), BOLD, _TEXT)
    layout.advance(_TEXT)
    _row(layout, table.columns, widths, titles, BOLD)
    for cells in table.rows:
        row = [under(column, value, language) for column, value in zip(table.columns, cells, strict=True)]
        if _row(layout, table.columns, widths, row, PLAIN):
            continue
        layout.turn()
        _row(layout, table.columns, widths, titles, BOLD)
        if not _row(layout, table.columns, widths, row, PLAIN):
            raise ValueError(f"A row of {table.title!r} is longer than a page")


def _row(layout: _Layout, columns: Sequence[Column], widths: Sequence[float], row: Sequence[str], font: str) -> bool:
    """Put the row on this page, or say that it has no room."""
    cells = [
        [text] if column.is_figure else layout.faces.wrap(text, font, _TABLE, limit - _GAP)
        for column, text, limit in zip(columns, row, widths, strict=True)
    ]
    height = max(map(len, cells))
    if not layout.has_room(height * _TABLE * _LEADING):
        return False
    x = _MARGIN
    for column, lines, limit in zip(columns, cells, widths, strict=True):
        for down, line in enumerate(lines):
            if column.is_figure:
                size = _fitting(layout.faces, line, font, limit - _GAP)
                layout.put(x + limit - _GAP, line, font, size, to_the_right=True)
            else:
                layout.put(x, line, font, _TABLE, down=down)
        x += limit
    layout.advance(_TABLE, height)
    return True


def _widths(columns: Sequence[Column]) -> list[float]:
    """The page's width, divided as the columns ask."""
    asked = sum(column.width for column in columns)
    return [_USABLE * column.width / asked for column in columns]


def _fitting(faces: Typefaces, figure: str, font: str, limit: float) -> float:
    """The size at which a figure fits on one line: figures are never broken or cut."""
    return min(_TABLE, _TABLE * limit / max(faces.width(figure, font, _TABLE), 1.0))


def _foot(canvas: Canvas, faces: Typefaces, document: Document, page: str) -> None:
    _draw(canvas, faces, _Words(_MARGIN, 40.0, _titled(document), PLAIN, _FOOT))
    _draw(canvas, faces, _Words(_PAGE_WIDTH - _MARGIN, 40.0, page, PLAIN, _FOOT, to_the_right=True))
    _draw(canvas, faces, _Words(_MARGIN, 30.0, document.hash_shown, PLAIN, _FOOT))


def _draw(canvas: Canvas, faces: Typefaces, words: _Words) -> None:
    x = words.x - faces.width(words.text, words.font, words.size) if words.to_the_right else words.x
    line = canvas.beginText(x, words.y)
    for font, piece in faces.pieces(words.text, words.font):
        line.setFont(font, words.size)
        line.textOut(piece)
    canvas.drawText(line)
