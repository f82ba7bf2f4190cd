"""A buyer's contact data: whom and where an order goes to, and whether whoever asks is shown it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final


class ContactStatus(StrEnum):
    """Whether contact data is shown."""

    SHOWN = "shown"
    WITHHELD = "withheld"
    ERASED = "erased"


@dataclass(frozen=True, slots=True)
class Contact:
    """The address is there exactly where it is shown."""

    status: ContactStatus
    address: Mapping[str, Any] | None = field(default=None, repr=False)


WITHHELD: Final = Contact(ContactStatus.WITHHELD)
ERASED: Final = Contact(ContactStatus.ERASED)
