"""Encryption of single values before they reach the database: a data key per merchant, wrapped by a master key."""
