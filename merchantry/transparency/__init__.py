"""The public log to the outside: keys and signatures of the log and of witnesses."""
