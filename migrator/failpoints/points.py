"""The names of the moments, and where each of them lies."""

from __future__ import annotations

# In the order in which an application comes to them.
POINTS = {
    "scan": "before a folder is listed, at either side",
    "temp-open": "before a temporary file is made at the target",
    "chunk": "before content is written into a temporary file",
    "before-sync": "before content is made durable at the target",
    "after-sync": "after content was made durable, before any final name",
    "rename": "before a file gets its final name",
    "directory-sync": "before names are made durable at the target (not over SFTP, which cannot)",
    "report": "in a mover that is about to tell what it has done",
    "before-commit": "before a transaction of the journal is committed",
    "after-commit": "after a transaction of the journal was committed",
    "delete": "before an entry is removed at the target, in the final sync",
    "freeze": "between the intent to freeze and the act, and again between the act and its confirmation",
    "verify": "in a mover that has read files again and is about to judge them",
    "switch": "as `freeze`, for every switch",
    "undo": "as `freeze`, for everything that is taken back",
    "papers": "before a paper that is kept beside the journal gets its name",
    "outcome": "when all work of a run is done, before it says so",
}
