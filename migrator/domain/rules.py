"""The preflight rules by name, in the order in which they are asked: what a plan may accept, and `doctor` lists.

What each of them looks at, and why it matters, stands in `planning/rules`, a module each.
"""

from __future__ import annotations

from typing import NamedTuple

from migrator.domain.reports import Finding, Severity


class Rule(NamedTuple):
    """One question that the preflight asks. An error stops a run, a warning is for people to judge, a note informs."""

    id: str
    severity: Severity
    summary: str  # one line, the rest of "it tells when ..."

    @property
    def can_be_accepted(self) -> bool:
        """Whether a plan may accept what it finds: warnings only."""
        return self.severity == "warning"

    def finds(self, sentence: str, hint: str | None, application: str | None) -> Finding:
        """A finding of this rule."""
        return Finding(self.id, self.severity, sentence, hint, application)


RULES = (
    Rule("missing-package", "error", "this machine lacks a package that a switch or check needs"),
    Rule("host-key", "error", "an endpoint shows a host key that was not agreed"),
    Rule("login", "error", "an endpoint does not let the account in"),
    Rule("unreachable", "error", "an endpoint cannot be reached"),
    Rule("dataset-root", "error", "the root of a dataset is missing, cannot be read, or is no folder"),
    Rule("hostile-listing", "error", "a source tells names that no folder can hold"),
    Rule("endpoint", "error", "an endpoint cannot be looked at for another reason"),
    Rule("server-version", "warning", "what answers at an endpoint is older than what is tested"),
    Rule("clock-offset", "warning", "the clock of an endpoint is not that of this machine"),
    Rule("clock-unknown", "note", "the clock of an endpoint cannot be asked"),
    Rule("connections", "warning", "an endpoint bears fewer connections than the plan asks of it"),
    Rule("source-writable", "warning", "the account could write at a source that is declared read-only"),
    Rule("source-access-unknown", "note", "whether the account could write at the source cannot be told"),
    Rule("source-empty", "warning", "a source holds no files"),
    Rule("source-shrunk", "warning", "a source holds far less than at the last pass"),
    Rule("overlap", "error", "two datasets lead to one and the same folder by different ways"),
    Rule("keep-words", "error", "a lane cannot keep what `keep` asks for"),
    Rule("owner", "error", "owners are to be kept, and the account at the target may not set them"),
    Rule("strangers", "error", "the target holds entries that this migration did not bring"),
    Rule("target-space", "error", "what is to be copied does not fit on the target's file system"),
    Rule("target-inodes", "error", "the target's file system has fewer inodes left than there are items to copy"),
    Rule("names-collide", "error", "names differ only in case or in Unicode form, and the target takes them for one"),
    Rule("names-alike", "note", "names differ only in case or in Unicode form"),
    Rule("name-too-long", "warning", "a name is longer than the 255 bytes that file systems take"),
    Rule("path-too-long", "warning", "a path at the target is longer than the 4,095 bytes that programs can open"),
    Rule("names-not-utf8", "note", "names are not UTF-8"),
    Rule("unreadable", "warning", "folders cannot be listed"),
    Rule("special-files", "warning", "FIFOs, sockets and devices stay behind"),
    Rule("lost-hard-links", "warning", "hard links become separate files"),
    Rule("lost-xattrs", "warning", "extended attributes stay behind"),
    Rule("lost-acls", "warning", "ACLs stay behind"),
    Rule("lost-setid", "warning", "setuid, setgid and file capabilities fall"),
    Rule("lost-holes", "warning", "holes are filled with zeros"),
    Rule("lost-nanoseconds", "note", "times are cut to whole seconds"),
    Rule("unseen-losses", "note", "the lane at the source does not show what would be lost"),
    Rule("symlinks-refused", "warning", "the plan refuses symbolic links, and there are some"),
    Rule("symlinks-absolute", "note", "symbolic links are absolute"),
    Rule("symlinks-escaping", "warning", "symbolic links lead out of the dataset"),
    Rule("needs-open", "note", "an application that is needed moves with another wave, and is not switched over yet"),
    Rule("waiver", "warning", "the plan lets an item stay behind unverified"),
    Rule("freeze-probe", "warning", "the probe of a freeze does not say that the source is not frozen"),
    Rule("switch-probe", "warning", "the probe of a switch does not say that it is not in place"),
    Rule("haproxy", "warning", "a HAProxy cannot be asked"),
    Rule("dns-server", "error", "a name server does not answer, or refuses us"),
    Rule("dns-record", "note", "what a record says now, and will say"),
    Rule("dns-ttl", "warning", "a record has a long time to live"),
    Rule("dns-key", "warning", "everybody on this machine can read the key of a zone"),
)

_BY_ID = {rule.id: rule for rule in RULES}


def rule_named(name: str) -> Rule:
    """The rule of that id; KeyError when there is none."""
    return _BY_ID[name]
