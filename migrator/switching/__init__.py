"""Effects that can be applied, probed and undone: freezing the source, and sending users to the target."""
