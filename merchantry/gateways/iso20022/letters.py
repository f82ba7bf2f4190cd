"""Texts in the letters that every bank of SEPA carries.

The set is that of the SEPA implementation guidelines; other letters are written in it as EPC217-08 recommends, by
their nearest Latin ones.
"""

import re

from anyascii import anyascii

# What has a customary rendering other than a blank.
_RENDERED = str.maketrans({"&": "+", "_": "-", "@": "(at)", "[": "(", "]": ")", "{": "(", "}": ")", ";": ",", '"': "'"})
_OTHERS = re.compile(r"[^A-Za-z0-9/\-?:().,'+ ]")
_SPACES = re.compile(r" {2,}")


def in_bank_letters(text: str, longest: int) -> str:
    """The text in those letters, cut to a length. Empty where nothing of it can be written."""
    written = _OTHERS.sub(" ", anyascii(text).translate(_RENDERED))
    return _SPACES.sub(" ", written).strip()[:longest].rstrip()
