"""SFTP v3 with many requests in flight: what works on every provider."""
