"""What a restored merchant may lack, and what becomes of it."""

from enum import StrEnum


class GapKind(StrEnum):
    """What the platform knows of, and a restored schema does not hold."""

    ENTRY = "entry"
    ORDER = "order"
    STATEMENT = "statement"
    PRODUCT = "product"


class GapStatus(StrEnum):
    """Open, there again, or given up by two people."""

    OPEN = "open"
    REPLAYED = "replayed"
    WRITTEN_OFF = "written_off"
