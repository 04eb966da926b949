"""An SSH provider of our own on the loopback, and a small wave to try the tool with nothing installed."""
