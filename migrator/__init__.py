"""Moves applications and their data to a new home: copied, verified, switched over, every step recorded."""

__version__ = "0.1.0"
