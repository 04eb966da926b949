"""`migrator schema`: the JSON Schema of a plan."""

from __future__ import annotations

import json

from migrator.cli.session import Session


def schema(session: Session) -> int:
    """Print the JSON Schema of plans. For editors and CI."""
    from migrator import bootstrap

    session.screen.document(json.dumps(bootstrap.schema(), indent=2))
    return 0
