"""Which font draws which character: Helvetica for Western European, then fonts to embed, then Adobe's Asian fonts.

Only fonts that are given as files are embedded. Every PDF viewer has Helvetica; for Chinese, Japanese and Korean,
viewers bring or substitute a font, and some have none. What no font has is drawn as an empty box; the content hash is
over the text as it is.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Final
from unicodedata import east_asian_width

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfbase.ttfonts import TTFont

PLAIN: Final = "Helvetica"
BOLD: Final = "Helvetica-Bold"

_ASIAN: Final = (
    ("gb2312", "STSong-Light"),
    ("big5", "MSung-Light"),
    ("shift_jis", "HeiseiMin-W3"),
    ("euc_kr", "HYSMyeongJo-Medium"),
)
_BOX: Final = "□"


class Typefaces:
    """The fonts of a document, and how wide texts are in them."""

    def __init__(self, embedded: Sequence[Path]) -> None:
        """`embedded` are TrueType files, the first preferred. Raises reportlab's TTFError for files that are none."""
        self._embedded = [_registered(path) for path in embedded]
        self._known: dict[str, tuple[str, str | None]] = {}

    def pieces(self, text: str, font: str) -> Iterator[tuple[str, str]]:
        """The text in pieces with the font of each: `font` where it has the characters. What has none is replaced."""
        if text.isascii() and text.isprintable():
            yield font, text
            return
        drawn = (self._drawn(character) for character in text)
        for other, group in groupby(drawn, key=lambda each: each[1]):
            yield other or font, "".join(character for character, _ in group)

    def width(self, text: str, font: str, size: float) -> float:
        """The text's width in points."""
        return sum(pdfmetrics.stringWidth(piece, name, size) for name, piece in self.pieces(text, font))

    def wrap(self, text: str, font: str, size: float, limit: float) -> list[str]:
        """The text in lines no wider than `limit` points, broken at spaces where there are some; at least one line."""
        lines, line = [], ""
        for word in self._words(text):
            if line and self.width((line + word).rstrip(), font, size) > limit:
                lines.append(line.rstrip())
                line = ""
            line += word
            while len(line.rstrip()) > 1 and self.width(line.rstrip(), font, size) > limit:
                head = self._longest_head(line, font, size, limit)
                lines.append(line[:head])
                line = line[head:]
        return [*lines, line.rstrip()] if line.strip() or not lines else lines

    def _words(self, text: str) -> Iterator[str]:
        """Words with the space after them; wide characters break after each."""
        word = ""
        for character in " ".join(text.split()):
            is_wide = east_asian_width(character) in "WF"
            if word and is_wide:
                yield word
                word = ""
            word += character
            if character == " " or is_wide:
                yield word
                word = ""
        if word:
            yield word

    def _longest_head(self, line: str, font: str, size: float, limit: float) -> int:
        total = 0.0
        for position, character in enumerate(line):
            total += self.width(character, font, size)
            if total > limit:
                return max(position, 1)
        return len(line)

    def _drawn(self, character: str) -> tuple[str, str | None]:
        """The character that is drawn, and the font that has it, or None for the Western one."""
        found = self._known.get(character)
        if found is None:
            found = self._known[character] = self._find(character)
        return found

    def _find(self, character: str) -> tuple[str, str | None]:
        if not character.isprintable():
            return " ", None
        if _has("cp1252", character):
            return character, None
        for font in self._embedded:
            if ord(character) in font.face.charToGlyph:
                return character, font.fontName
        for codec, name in _ASIAN:
            if _has(codec, character):
                return character, _asian(name)
        return _BOX, _asian(_ASIAN[0][1])


def _has(codec: str, character: str) -> bool:
    try:
        character.encode(codec)
    except UnicodeEncodeError:
        return False
    return True


@lru_cache
def _asian(name: str) -> str:
    pdfmetrics.registerFont(UnicodeCIDFont(name))
    return name


@lru_cache
def _registered(path: Path) -> TTFont:
    font = TTFont(f"embedded:{path}", str(path))
    pdfmetrics.registerFont(font)
    return font
