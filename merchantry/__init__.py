"""Merchantry: the backend of a multi-merchant mall."""
