"""How we speak SSH: through the system's client or by ourselves, to whom, and what it means when that fails."""
