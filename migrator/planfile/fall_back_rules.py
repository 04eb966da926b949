"""Rules about falling back: the source is written through one endpoint of the plan, and only where that is wished."""

from __future__ import annotations

from collections.abc import Iterator

from migrator.planfile.finding import At, Problem, applications_of
from migrator.planfile.remarks import did_you_mean, quoted


def fall_back_rules(plan: At) -> Iterator[Problem]:
    """`fall_back.endpoint` exists, can stand for all sources of the application, and goes with `source_write: true`."""
    endpoints = plan.key("endpoints").entries()
    for _, application in applications_of(plan):
        endpoint = application.key("fall_back").key("endpoint")
        name = endpoint.text()
        if not name:
            continue
        if name not in endpoints:
            hint = did_you_mean(name, endpoints, "name it in `endpoints`, with credentials that may write")
            yield Problem(endpoint.loc, f"there is no endpoint {quoted(name)}", hint)
        if application.key("fall_back").key("source_write").text() != "true":
            message = "an `endpoint` to write the source, without `source_write: true`"
            yield Problem(endpoint.loc, message, "add that, or remove `endpoint`", of_key=True)
        sources = {each.key("source").text().partition(":")[0] for each in application.key("datasets").items()}
        if len(sources) > 1:
            message = f"{quoted(name)} cannot stand for sources on {len(sources)} endpoints"
            hint = "let all datasets of the application have one source endpoint, or remove `endpoint`"
            yield Problem(endpoint.loc, message, hint)
