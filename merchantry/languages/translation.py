"""Texts that people wrote of their things, in other languages than the one they were first written in."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from merchantry.domain.errors import InvalidInput
from merchantry.domain.text import Path, check_text, check_visible
from merchantry.domain.worded import Worded
from merchantry.languages.language import Language

Translations = Mapping[str, Mapping[str, str]]
"""As they are kept: by the language's tag the texts by their names, ``{"zh-Hans": {"title": "风筝"}}``."""


@dataclass(frozen=True, slots=True)
class Translation:
    """What a thing's texts are in one language, by their names; None where there is none."""

    language: Language
    texts: Mapping[str, str | None]


def check(given: Sequence[Translation], longest: Mapping[str, int], path: Path = ("translations",)) -> None:
    """Refuse texts that are blank, too long or can't be shown beside others, and a language that comes twice.

    ``longest`` are the texts that a thing has, in characters. Raises InvalidInput with the path of the text.
    """
    seen: set[Language] = set()
    for position, each in enumerate(given):
        if each.language in seen:
            raise InvalidInput(
                reason=Worded("{tag} is given twice.", tag=each.language.tag), path=(*path, position, "language")
            )
        seen.add(each.language)
        for name, text in each.texts.items():
            if text is not None:
                check_text(text, longest[name], (*path, position, name))
                check_visible(text, (*path, position, name))


def merged(held: Translations, given: Iterable[Translation]) -> dict[str, dict[str, str]]:
    """What is kept afterwards: a language that is given is replaced, and gone without a text; others stay."""
    found = {tag: dict(texts) for tag, texts in held.items()}
    for each in given:
        found[each.language.tag] = {name: text for name, text in each.texts.items() if text is not None}
    return {tag: texts for tag, texts in sorted(found.items()) if texts}


def written(original: str, name: str, translations: Translations, language: Language | None) -> str:
    """A text in this language, else as it was first written."""
    texts = translations.get(language.tag, {}) if language else {}
    return texts.get(name, original)


def known(translations: Translations) -> list[Translation]:
    """What is kept, for the languages that there are."""
    by_tag = {language.tag: language for language in Language}
    return [Translation(by_tag[tag], texts) for tag, texts in translations.items() if tag in by_tag]
