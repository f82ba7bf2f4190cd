"""Sentences with facts in them, which can still be said in another language."""

from collections.abc import Callable, Mapping
from typing import Any, Self


class Worded(str):
    """An English sentence that knows the template it was made of, and the facts that stand in its braces.

    The template is the program's own and a catalogue's key; what people gave comes in as facts, and is never read as a
    template.
    """

    template: str
    facts: Mapping[str, Any]

    def __new__(cls, template: str, /, **facts: object) -> Self:
        """Say it in English."""
        made = super().__new__(cls, template.format_map({name: str(value) for name, value in facts.items()}))
        made.template, made.facts = template, facts
        return made


def in_language(sentence: str, translate: Callable[[str], str]) -> str:
    """A sentence as ``translate`` says it, and sentences among its facts; what is none of ours stays as it is."""
    if not isinstance(sentence, Worded):
        return translate(sentence)
    facts = {
        name: in_language(value, translate) if isinstance(value, Worded) else str(value)
        for name, value in sentence.facts.items()
    }
    return translate(sentence.template).format_map(facts)
