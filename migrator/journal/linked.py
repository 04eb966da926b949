"""Files of the manifest that have several names: which name goes first, which follow, and where that came out wrong.

Names are one file when the source showed them with one device and inode. A name *stands* when it is at the target and
what was copied under it is no older than what was last seen under another one: that one may be linked to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

from migrator.domain.entries import Entry
from migrator.journal.database import Database
from migrator.journal.items import BLOCK, ENTRY, entry_of

Read = TypeVar("Read")

# In the words of the index `item_linked`, without which each of these would look at every item.
_IS_LINKED = "links > 1 AND kind = 'file'"
_OTHERS = """
    FROM item AS other INDEXED BY item_linked
    WHERE other.links > 1 AND other.kind = 'file' AND other.is_gone = 0 AND other.dataset = item.dataset
        AND other.device = item.device AND other.inode = item.inode
"""
_STANDS = f"""
    {_OTHERS} AND other.state IN ('acknowledged', 'verified') AND other.target_kind = 'file'
        AND other.ctime_ns >= item.ctime_ns
"""
_FAILED = f"{_OTHERS} AND other.state = 'failed'"

_COLUMNS = ", ".join(f"item.{column.name}" for column in ENTRY)
_PENDING = f"""
    FROM item INDEXED BY item_linked
    WHERE item.{_IS_LINKED.replace("kind", "item.kind")} AND item.dataset = ? AND item.state = 'pending'
        AND item.is_gone = 0 AND (item.device, item.inode, item.path) > (?, ?, ?)
"""
_IN_ORDER = f"ORDER BY item.device, item.inode, item.path LIMIT {BLOCK}"

_LEADERS = f"""
    SELECT {_COLUMNS} {_PENDING}
        AND NOT EXISTS (SELECT 1 {_OTHERS} AND other.state = 'pending' AND other.path < item.path)
        AND NOT EXISTS (SELECT 1 {_STANDS})
        AND NOT EXISTS (SELECT 1 {_FAILED})
    {_IN_ORDER}
"""

_FOLLOWERS = f"""
    SELECT {_COLUMNS}, (SELECT other.path {_STANDS} ORDER BY other.path LIMIT 1) AS first
    {_PENDING} AND first IS NOT NULL
    {_IN_ORDER}
"""

_ORPHANS = f"""
    SELECT {_COLUMNS}, (SELECT other.path {_FAILED} ORDER BY other.path LIMIT 1) AS first
    {_PENDING} AND first IS NOT NULL AND NOT EXISTS (SELECT 1 {_STANDS})
    {_IN_ORDER}
"""
