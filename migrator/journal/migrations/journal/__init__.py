"""Revisions of `journal.db`: recorded plans, runs, approvals."""
