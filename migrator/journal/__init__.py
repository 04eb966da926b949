"""What we remember, in SQLite: runs, phases, attempts, approvals and the manifest of every application."""
