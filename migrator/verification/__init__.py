"""Proof from bytes that are read again; shares no code with the transfer it judges."""
