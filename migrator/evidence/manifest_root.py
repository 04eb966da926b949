"""One digest for all that an application consists of, so that an approval can mean exactly this and nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

from migrator.domain.entries import Item


def manifest_root(items: Iterable[Item]) -> str:
    """Hexadecimal SHA-256 over all items, in their order (datasets by name, items by path).

    Each item is one line of JSON: dataset, path and link text in hexadecimal, kind, size, time, class, SHA-256. Numbers
    that only say when something was copied or verified are left out: copied once more, the same tree has the same root.
    """
    digest = hashlib.sha256(b"migrator manifest 1\n")
    for item in items:
        line = [
            item.dataset,
            item.path.hex(),
            item.kind.value,
            item.size,
            item.mtime_ns,
            item.state.value,
            item.sha256.hex() if item.sha256 else None,
            item.link.hex() if item.link is not None else None,
        ]
        digest.update(json.dumps(line, separators=(",", ":")).encode() + b"\n")
    return digest.hexdigest()
