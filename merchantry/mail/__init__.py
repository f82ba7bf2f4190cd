"""Mails as they are written: subject, text and HTML, in their reader's language."""
