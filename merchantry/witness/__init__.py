"""A witness of the public log: follows it, cosigns what continues what it saw, and keeps evidence of what does not.

A program of its own, with its own key and its own SQLite file, for whoever does not want to take the log's word.
"""
