"""Help from a small program at the far end, or in this process: reading, writing and hashing where the bytes are."""
