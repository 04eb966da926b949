"""Worker processes that hold their own connections and carry batches; they know nothing of what a batch is."""
