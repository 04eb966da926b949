"""The close-out list as Markdown, to be read, ticked off and filed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from migrator.evidence.close_out import Account, CloseOut, request_text
from migrator.evidence.markdown import table, text


def page(close_out: CloseOut) -> str:
    """The whole page; text that comes from outside is made harmless."""
    return "\n".join(_lines(close_out)) + "\n"


def _lines(close_out: CloseOut) -> Iterator[str]:
    accepted = "never" if close_out.accepted_at is None else f"{close_out.accepted_at:%Y-%m-%d %H:%M} UTC"
    yield f"# Close-out of {text(close_out.application)}"
    yield ""
    yield f"- Migration: {text(close_out.migration)}, plan `{close_out.plan_digest}`"
    yield f"- Owner: {text(close_out.owner)}"
    yield f"- Accepted: {accepted}"
    yield f"- This list was made: {close_out.made_at:%Y-%m-%d %H:%M} UTC"
    yield from _table("The source, as it is now", ("dataset", "source", "found"), (
        (each.dataset, each.source, each.sentence) for each in close_out.found
    ))  # fmt: skip
    yield from _list("Accounts to close", (_account(each) for each in close_out.accounts))
    yield from _list("Keys and tokens to withdraw", (text(each) for each in close_out.keys))
    yield from _table("Copies, and when they end", ("what", "where", "ends"), (
        (each.what, each.where, each.expires) for each in close_out.copies
    ))  # fmt: skip
    yield from ("", "## Request for erasure", "")
    yield from (f"    {line}".rstrip() for line in request_text(close_out).splitlines())
    yield from _table("Attestations of the provider", ("file", "SHA-256", "recorded"), (
        (each.name, each.sha256, f"{each.recorded_at:%Y-%m-%d %H:%M} UTC by {each.recorded_by}")
        for each in close_out.attestations
    ))  # fmt: skip


def _account(account: Account) -> str:
    parts = [f"`{text(account.endpoint)}`: {text(account.login)}; key: {text(account.key)}"]
    if account.host_keys:
        parts.append(f"host keys: {', '.join(text(each) for each in account.host_keys)}")
    if account.still_used_by:
        parts.append(f"still used by {', '.join(text(each) for each in account.still_used_by)}")
    if account.is_shared:
        parts.append("shared with other owners: ask before it is closed")
    return "; ".join(parts)


def _table(title: str, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield from ("", f"## {title}", "")
    yield from table(headings, ([text(cell) for cell in row] for row in rows))


def _list(title: str, rows: Iterable[str]) -> Iterator[str]:
    yield from ("", f"## {title}", "")
    yield from [f"- [ ] {row}" for row in rows] or ["None."]
