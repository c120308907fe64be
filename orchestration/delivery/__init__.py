"""Sealed editions to their recipients: recipients, editions, the ledger's machine, channels."""
