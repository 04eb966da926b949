"""Revisions of an application's database: phase, attempts, effects, scans and the manifest of its datasets."""
