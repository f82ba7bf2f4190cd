"""What mails and the pages behind their links say beside the news; the catalogues have each of them."""

from typing import Final

CONFIRM_SUBJECT: Final = "Confirm your e-mail address"
CONFIRM: Final = "Somebody, probably you, wants to be told of news at this address. If it was you, confirm it here:"
CONFIRM_NOT: Final = "If it was not you, do nothing, and nothing will be sent here again."
DIGEST_SUBJECT: Final = "What is new"
LEFT_OUT: Final = "And {count} more, in the list of notifications."
STOP: Final = "No more e-mail about this:"
STOP_DIGEST: Final = "No more daily e-mail:"
WHY: Final = "You get this because you asked to be told by e-mail."
WHY_GUEST: Final = "You get this because you gave this address with an order. It is used for nothing else."

PAGE_CONFIRM: Final = "Do you want to be told of news at this address?"
PAGE_STOP: Final = "Do you want no more e-mail of this kind? News stay in the list of notifications."
PAGE_CONFIRMED: Final = "Your address is confirmed."
PAGE_STOPPED: Final = "You get no more e-mail of this kind."
PAGE_UNKNOWN: Final = "This link is not valid, or no longer."
BUTTON: Final = "Yes"

WORDS: Final = (
    CONFIRM_SUBJECT,
    CONFIRM,
    CONFIRM_NOT,
    DIGEST_SUBJECT,
    LEFT_OUT,
    STOP,
    STOP_DIGEST,
    WHY,
    WHY_GUEST,
    PAGE_CONFIRM,
    PAGE_STOP,
    PAGE_CONFIRMED,
    PAGE_STOPPED,
    PAGE_UNKNOWN,
    BUTTON,
)
