"""From a source to a target: scan, delta, batches, movers, and outcomes committed in groups."""
