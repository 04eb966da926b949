"""The rules about entries: for each, an entry that makes it speak, one that just does not, and where it is silent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from migrator.domain.attributes import packed
from migrator.domain.entries import Entry, Kind, Unreadable
from migrator.domain.plan import Application, Dataset, Location, Waiver
from migrator.endpoints.contract import Abilities
from migrator.planning.rules.alike import Alike, folded_all
from migrator.planning.rules.facts import Facts
from migrator.planning.rules.survey import Survey

DATASET = Dataset("files", Location("old", b"/var/www"), Location("new", b"/srv"))
APPLICATION = Application("portail", "default", (DATASET,))
SFTP = Abilities("sftp", "x", frozenset({"mode", "times", "owner", "setid"}), False, False, True, False)
AGENT = SFTP._replace(lane="agent", keeps=SFTP.keeps | {"hardlinks", "xattrs", "acls", "holes"})
ROOT = Entry(b"", Kind.DIRECTORY, 0, 0, 0o755, 0, 0)
FILE = ROOT._replace(path=b"file", kind=Kind.FILE)
SECOND = 10**9


def link(text: bytes, path: bytes = b"folder/link") -> Entry:
    return FILE._replace(path=path, kind=Kind.LINK, mode=0o777, link=text)


def attributed(*names: bytes) -> Entry:
    return FILE._replace(xattrs=packed(dict.fromkeys(names, b"x")))


def surveyed(entries: Sequence[Entry | Unreadable], dataset: Dataset = DATASET) -> Survey:
    survey = Survey(APPLICATION, dataset)
    survey.take([ROOT])
    for each in entries:
        survey.take([each])
    return survey


def told(
    entry: Entry | Unreadable, dataset: Dataset = DATASET, source: Abilities = AGENT, target: Abilities = AGENT
) -> list[str]:
    facts = Facts("portail", dataset, source, target, True, (), False)
    return [finding.rule for finding in surveyed([entry], dataset).findings(facts)]


@pytest.mark.parametrize(
    ("entry", "wanted"),
    [
        (FILE, []),
        (FILE._replace(path=b"n" * 255), []),
        (FILE._replace(path=b"n" * 256), ["name-too-long"]),
        (FILE._replace(path=b"n" * 255 + b"/" + b"n" * 255), []),
        (FILE._replace(path=b"folder/" * 584 + b"12"), []),  # 4,090 bytes, and 5 for the root
        (FILE._replace(path=b"folder/" * 584 + b"123"), ["path-too-long"]),
        (FILE._replace(path="élève".encode()), []),
        (FILE._replace(path="élève".encode("latin-1")), ["names-not-utf8"]),
        (Unreadable(b"closed", "Permission denied"), ["unreadable"]),
        (FILE._replace(kind=Kind.SPECIAL), ["special-files"]),
        (FILE._replace(mode=0o4755), ["lost-setid"]),
        (FILE._replace(mode=0o2755), ["lost-setid"]),
        (ROOT._replace(path=b"folder", mode=0o2775), ["lost-setid"]),
        (ROOT._replace(path=b"folder", mode=0o1777), []),
        (attributed(b"security.capability"), ["lost-setid"]),
        (link(b"/etc/passwd"), ["symlinks-absolute", "symlinks-escaping"]),
        (link(b"/var/www/inside"), ["symlinks-absolute"]),
        (link(b"/var/www-2/outside"), ["symlinks-absolute", "symlinks-escaping"]),
        (link(b"/var/www/../outside"), ["symlinks-absolute", "symlinks-escaping"]),
        (link(b"../inside"), []),
        (link(b"../../outside"), ["symlinks-escaping"]),
        (link(b"../folder/../..x"), []),
    ],
)
def test_what_lanes_do_not_change(entry: Entry | Unreadable, wanted: list[str]) -> None:
    assert told(entry) == wanted


@pytest.mark.parametrize(
    ("entry", "word", "wanted"),
    [
        (FILE._replace(links=2), "hardlinks", "lost-hard-links"),
        (FILE._replace(links=1), "hardlinks", None),
        (ROOT._replace(path=b"folder", links=7), "hardlinks", None),
        (attributed(b"user.a"), "xattrs", "lost-xattrs"),
        (attributed(b"system.posix_acl_access"), "xattrs", None),
        (attributed(b"system.posix_acl_access"), "acls", "lost-acls"),
        (attributed(b"user.a"), "acls", None),
        (FILE._replace(size=1 << 20, allocated=0), "holes", "lost-holes"),
        (FILE._replace(size=1 << 20, allocated=1 << 20), "holes", None),
        (FILE._replace(size=10, allocated=0), "holes", None),  # kept within its inode
        (FILE._replace(size=1 << 20, allocated=None), "holes", None),
    ],
)
def test_what_is_lost_where_a_lane_or_the_plan_does_not_keep_it(entry: Entry, word: str, wanted: str | None) -> None:
    expected = [wanted] if wanted else []
    lacking = AGENT._replace(keeps=AGENT.keeps - {word})
    assert told(entry) == []
    assert told(entry, source=lacking) == expected
    assert told(entry, target=lacking) == expected
    assert told(entry, replace(DATASET, keep=tuple(AGENT.keeps - {word}))) == expected
    assert told(entry, replace(DATASET, keep=tuple(AGENT.keeps))) == []


def test_setid_falls_unless_the_plan_and_both_lanes_keep_it() -> None:
    keeps = replace(DATASET, keep=("mode", "setid"))
    entry = FILE._replace(mode=0o4755)
    assert told(entry, keeps) == []
    assert told(entry, keeps, target=AGENT._replace(keeps=frozenset({"mode"}))) == ["lost-setid"]


def test_sftp_cuts_times_at_the_target() -> None:
    assert told(FILE._replace(mtime_ns=7 * SECOND + 1), target=SFTP) == ["lost-nanoseconds"]
    assert told(FILE._replace(mtime_ns=7 * SECOND), target=SFTP) == []
    assert told(FILE._replace(mtime_ns=7 * SECOND + 1)) == []


def test_refused_links_are_told_as_what_will_fail() -> None:
    refuses = replace(DATASET, symlinks="refuse")
    assert told(link(b"/etc/passwd"), refuses) == ["symlinks-refused"]
    assert told(FILE, refuses) == []


def test_count_and_first_names_are_told_safely() -> None:
    entries = [FILE._replace(path=b"%d \x1b[2J" % number, mode=0o4755) for number in range(1234)]
    facts = Facts("portail", DATASET, AGENT, AGENT, True, (), False)
    (finding,) = surveyed(entries).findings(facts)
    assert ": 1,234, `0 \\x1b[2J`, `1 \\x1b[2J`, `2 \\x1b[2J` ..." in finding.sentence
    assert finding.sentence.startswith("dataset `files`: ")
    assert finding.application == "portail"


def test_what_is_left_out_is_told_by_no_rule_but_counted() -> None:
    waiver = Waiver("files", b"left", "old")
    dataset = replace(DATASET, exclude=("*.tmp", "hidden/"))
    survey = Survey(replace(APPLICATION, datasets=(dataset,), waivers=(waiver,)), dataset)
    setuid = FILE._replace(mode=0o4755, size=5)
    survey.take([ROOT, setuid._replace(path=b"a.tmp"), setuid._replace(path=b"left/it"), FILE._replace(size=3)])
    survey.take([Unreadable(b"hidden", "Permission denied")])
    facts = Facts("portail", dataset, AGENT, AGENT, True, (), False)
    assert list(survey.findings(facts)) == []
    assert (survey.items, survey.files, survey.size_bytes, survey.excluded, survey.seen) == (2, 1, 3, 2, 4)
    assert survey.root == ROOT


def watched(*blocks: Sequence[str | bytes], compared: int = 100) -> Alike:
    alike = Alike(compared)
    for block in blocks:
        paths = [path.encode() if isinstance(path, str) else path for path in block]
        alike.observe([FILE._replace(path=path) for path in paths])
    return alike


@pytest.mark.parametrize(
    ("one", "other", "are_alike"),
    [
        ("readme", "README", True),
        ("readme", "readme2", False),
        ("a/x", "A/y", False),
        ("caf\u00e9", "cafe\u0301", True),  # composed and decomposed
        ("CAF\u00c9", "cafe\u0301", True),
        ("cafe", "caf\u00e9", False),
        ("stra\u00dfe", "STRASSE", True),
        (b"\xe9", b"\xc9", False),  # not UTF-8: nobody can tell what it stands for
        (b"\xe9A", b"\xe9a", True),
        ("a", "b/A", False),
    ],
)
def test_names_are_alike_in_case_and_unicode_form(one: str | bytes, other: str | bytes, *, are_alike: bool) -> None:
    for blocks in ([[one, other]], [[one], [other]], [[other], [one]]):
        assert watched(*blocks).count == are_alike


def test_the_first_pairs_are_named_and_all_are_counted() -> None:
    alike = watched(["a", "b", "c", "d"], ["A", "B"], ["C", "D", "e", "E"])
    assert alike.count == 5
    assert alike.pairs == [(b"a", b"A"), (b"b", b"B"), (b"c", b"C")]


def test_memory_is_bounded_and_a_folder_that_is_larger_is_told_of() -> None:
    names = [[f"folder/{number}"] for number in range(25)]
    alike = watched(*names, compared=10)
    assert len(alike._seen) + len(alike._before) <= 20
    assert not alike.is_complete
    assert watched(*names[:9], compared=10).is_complete
    spread = [[f"{number}/a", f"{number}/b"] for number in range(25)]
    assert watched(*spread, compared=10).is_complete, "many small folders are compared completely"


def test_names_are_compared_across_the_border_of_what_is_held() -> None:
    names = [[f"{number}/x"] for number in range(9)]
    assert watched(*names, ["f/README"], ["f/readme"], compared=10).pairs == [(b"f/README", b"f/readme")]


def test_folding_ascii_is_what_folding_is() -> None:
    assert folded_all([b"A/b"]) == [b"a/b"]
    assert folded_all([b"A/b", "É".encode()])[0] == b"a/b"
