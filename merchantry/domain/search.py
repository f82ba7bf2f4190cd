"""What makes a text findable: its words, the language they are in, and which words somebody may have meant.

Words are folded, so that case and accents don't matter; scripts that write no spaces are cut into pairs of letters.
Stems are PostgreSQL's affair (``CONFIGURATIONS``). A mistyped word is found by deletion: two words that are a mistake
apart have a text in common once each has lost a letter, two mistakes apart once each has lost two. So the words near
one are an index look-up of equal keys, whatever the size of the vocabulary.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from zlib import crc32

CONFIGURATIONS: Final[Mapping[str, str]] = {
    "ar": "arabic",
    "ca": "catalan",
    "da": "danish",
    "de": "german",
    "el": "greek",
    "en": "english",
    "es": "spanish",
    "eu": "basque",
    "fi": "finnish",
    "fr": "french",
    "ga": "irish",
    "hi": "hindi",
    "hu": "hungarian",
    "hy": "armenian",
    "id": "indonesian",
    "it": "italian",
    "lt": "lithuanian",
    "ne": "nepali",
    "nl": "dutch",
    "no": "norwegian",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sr": "serbian",
    "sv": "swedish",
    "ta": "tamil",
    "tr": "turkish",
    "yi": "yiddish",
}
"""PostgreSQL's built-in text search configurations, by ISO 639-1 language."""

STOP_WORDS: Final[Mapping[str, frozenset[str]]] = {
    language: frozenset(small.split())
    for language, small in {
        "de": "der die das und mit fur von zu im den ein eine ist auf nicht aus",
        "en": "the and with for of to in a an is on not from by your this",
        "es": "el la los las y con para de del en un una es por no su",
        "fr": "le la les et avec pour de du des en un une est dans sur pas",
        "it": "il lo la gli e con per di del della in un una non che da",
        "pt": "o os as e com para de do da dos das em um uma nao ao no na por seu",
    }.items()
}
"""Small words of the languages that are guessed; folded."""

MAX_WORDS: Final = 8
MAX_LENGTH: Final = 60
MAX_CORRECTIONS: Final = 5
TITLE, CATEGORY, BODY = "A", "B", "D"
"""How much a text counts, as PostgreSQL's weights."""

LONG_WORD: Final = 8
SHORTEST_CORRECTED: Final = 4
LONGEST_CORRECTED: Final = 16
_MAX_POSITION: Final = 16_383
_MANY_LETTERS: Final = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff"
_RUN = re.compile(rf"[{_MANY_LETTERS}]+|[^\W_{_MANY_LETTERS}]+")
_UNSPACED = re.compile(rf"[{_MANY_LETTERS}]")


@dataclass(frozen=True, slots=True)
class Text:
    """One text of a thing that can be found. ``language`` is ISO 639-1; None where nobody said which it is."""

    text: str
    weight: str
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Word:
    """A word that is looked for: as typed, and folded. One in pairs of letters is complete as it is."""

    typed: str
    folded: str

    @property
    def is_pair(self) -> bool:
        """Whether it is part of a text without spaces."""
        return bool(_UNSPACED.search(self.folded))


def fold(text: str) -> str:
    """Without case, accents and other variants of the same letters."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    return unicodedata.normalize("NFC", "".join(letter for letter in apart if not unicodedata.combining(letter)))


def words_of(text: str) -> list[str]:
    """The folded words of a text in their order; texts without spaces as overlapping pairs of letters."""
    return [word for run in _RUN.findall(fold(text)) for word in _cut(run)]


def asked_for(search: str) -> list[Word]:
    """The words that somebody looks for, each once, up to ``MAX_WORDS``; small ones only where there are no others."""
    found: dict[str, Word] = {}
    for typed in unicodedata.normalize("NFC", search).split():
        for run in re.findall(r"[^\W_]+", typed):
            for folded in words_of(run):
                found.setdefault(folded, Word(run, folded))
    small = frozenset().union(*STOP_WORDS.values())
    large = [word for word in found.values() if word.folded not in small]
    return (large or list(found.values()))[:MAX_WORDS]


def document(texts: Sequence[Text]) -> str:
    """The words of several texts as PostgreSQL reads a ``tsvector``: each with its place and weight."""
    places: dict[str, list[str]] = {}
    place = 0
    for text in texts:
        for word in words_of(text.text):
            place = min(place + 1, _MAX_POSITION)
            held = places.setdefault(word, [])
            if len(held) < 16:
                held.append(f"{place}{text.weight}")
    return " ".join(f"'{word}':{','.join(held)}" for word, held in places.items())


def language_of(texts: Iterable[str]) -> str | None:
    """The language that most small words are of; None where none is ahead."""
    words = [word for text in texts for word in words_of(text)]
    counts = sorted(((sum(word in small for word in words), code) for code, small in STOP_WORDS.items()), reverse=True)
    (most, code), (second, _) = counts[0], counts[1]
    return code if most > second else None


def keys_of(word: str) -> list[int]:
    """What a word has in common with those that it may be mistyped for: what is left without one letter, of long words
    without two. As numbers, since they are only ever compared; empty where a word is not corrected."""
    if not SHORTEST_CORRECTED <= len(word) <= LONGEST_CORRECTED or _UNSPACED.search(word):
        return []
    left = {word}
    for _ in range(mistakes_in(word)):
        left |= {shorter for each in left for shorter in _shorter(each)}
    return sorted({crc32(each.encode()) - 2**31 for each in left})


def mistakes_in(word: str) -> int:
    """How many mistakes are forgiven."""
    return 2 if len(word) >= LONG_WORD - 1 else 1


def corrections(typed: str, known: Iterable[str]) -> list[str]:
    """Of the known words those that may have been meant, the nearest first, at most ``MAX_CORRECTIONS``."""
    near = ((mistakes(typed, word), word) for word in set(known))
    return [word for count, word in sorted(near) if count <= mistakes_in(typed)][:MAX_CORRECTIONS]


def mistakes(a: str, b: str) -> int:
    """How many letters were left out, added, replaced or swapped with their neighbour between two words."""
    older: list[int] = []
    last = list(range(len(b) + 1))
    for i, x in enumerate(a):
        row = [i + 1]
        for j, y in enumerate(b):
            row.append(min(last[j + 1] + 1, row[j] + 1, last[j] + (x != y)))
            if i and j and x == b[j - 1] and a[i - 1] == y:
                row[-1] = min(row[-1], older[j - 1] + 1)
        older, last = last, row
    return last[-1]


def _cut(run: str) -> Iterator[str]:
    if not _UNSPACED.search(run):
        yield run[:MAX_LENGTH]
    elif len(run) == 1:
        yield run
    else:
        yield from (run[at : at + 2] for at in range(len(run) - 1))


def _shorter(word: str) -> Iterator[str]:
    return (word[:at] + word[at + 1 :] for at in range(len(word)))
