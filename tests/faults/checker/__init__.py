"""The invariants of a move, checked from outside: from the disk, from `migrator export`, from the bytes of the state.

Nothing in here imports migrator. What it knows of the state's tables it reads with sqlite3, as anybody could.
"""
