"""`migrator limit`: change the bandwidth of an endpoint while runs are under way."""

from __future__ import annotations

from typing import Annotated

import typer

from migrator.cli.options import PlanFile
from migrator.cli.session import Session

EndpointName = Annotated[
    str, typer.Argument(metavar="ENDPOINT", help="An endpoint of the plan, by name.", show_default=False)
]
Rate = Annotated[
    str,
    typer.Argument(
        metavar="RATE", help="The most content a second, such as `20MB/s`; `none` for no limit.", show_default=False
    ),
]


def limit(session: Session, plan: PlanFile, endpoint: EndpointName, rate: Rate) -> int:
    """Change an endpoint's bandwidth for the runs under way. The next run goes by the plan again."""
    from migrator import bootstrap

    found = bootstrap.limit(bootstrap.load(plan), endpoint, rate, session.state)
    told = {"endpoint": found.endpoint, "bytes_per_second": found.bytes_per_second}
    session.screen.fact("limit.set", told, found.sentence)
    return 0
