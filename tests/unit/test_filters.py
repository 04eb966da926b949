"""Which entries the plan leaves out, and which rule it names for it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator.domain.entries import Entry, Kind, display, undisplay
from migrator.domain.filters import Filter


def entry(path: bytes, kind: Kind = Kind.FILE) -> Entry:
    return Entry(path, kind, 0, 0, 0o644, 0, 0)


def reason(rules: list[str], path: bytes, kind: Kind = Kind.FILE) -> str | None:
    return Filter(rules).reason(entry(path, kind))


@pytest.mark.parametrize(
    ("rules", "path", "kind", "named"),
    [
        (["*.tmp"], b"a.tmp", Kind.FILE, "*.tmp"),
        (["*.tmp"], b"deep/er/a.tmp", Kind.FILE, "*.tmp"),
        (["*.tmp"], b"a.tmp.txt", Kind.FILE, None),
        (["cache/"], b"cache", Kind.DIRECTORY, "cache/"),
        (["cache/"], b"cache", Kind.FILE, None),
        (["cache/"], b"cache", Kind.LINK, None),
        (["cache/"], b"a/cache/b/c", Kind.FILE, "cache/"),
        (["/cache/"], b"a/cache/b", Kind.FILE, None),
        (["*.log", "!keep.log"], b"keep.log", Kind.FILE, None),
        (["*.log", "!keep.log"], b"other.log", Kind.FILE, "*.log"),
        (["a/**/z"], b"a/b/c/z", Kind.FILE, "a/**/z"),
        (["[ab]?"], b"a1", Kind.FILE, "[ab]?"),
        (["\\!odd"], b"!odd", Kind.FILE, "\\!odd"),
        (["# no rule"], b"# no rule", Kind.FILE, None),
        (["*.tmp"], b"latin-1 \xe9.tmp", Kind.FILE, "*.tmp"),
        (["été/"], "été/a".encode(), Kind.FILE, "été/"),
        (["*.tmp"], b"new\nline.tmp", Kind.FILE, "*.tmp"),
        ([], b"a", Kind.FILE, None),
    ],
)
def test_rules_are_those_of_gitignore(rules: list[str], path: bytes, kind: Kind, named: str | None) -> None:
    assert reason(rules, path, kind) == (named and f"exclude: {named}")


def test_the_rule_that_is_named_is_the_one_that_decided() -> None:
    rules = ["", "# a comment", "*.a", "", "*.b"]
    assert reason(rules, b"x.a") == "exclude: *.a"
    assert reason(rules, b"x.b") == "exclude: *.b"


@pytest.mark.parametrize("rule", ["*", "/", "**", "."])
def test_the_root_itself_always_belongs(rule: str) -> None:
    assert reason([rule], b"", Kind.DIRECTORY) is None


@pytest.mark.parametrize("hidden", ["cache/", "cache"])
def test_nothing_comes_back_out_of_a_folder_that_is_left_out(hidden: str) -> None:
    filter_ = Filter([hidden, "!cache/keep", "!keep"])
    assert filter_.reason(entry(b"cache/keep")) == f"exclude: {hidden}"
    assert filter_.reason(entry(b"cache/deep/keep")) == f"exclude: {hidden}"
    assert filter_.hides(b"cache/deep")
    assert filter_.reason(entry(b"keep")) is None


def test_what_is_remembered_of_folders_changes_no_answer() -> None:
    filter_ = Filter(["hidden/"])
    for number in range(25_000):
        name = b"hidden" if number % 5 == 0 else b"shown"
        expected = "exclude: hidden/" if number % 5 == 0 else None
        assert filter_.reason(entry(b"%d/%s/file" % (number, name))) == expected


def test_a_special_file_says_so_unless_the_plan_left_it_out_on_purpose() -> None:
    filter_ = Filter(["run/"])
    assert filter_.reason(entry(b"fifo", Kind.SPECIAL)) == "special file"
    assert filter_.reason(entry(b"run/socket", Kind.SPECIAL)) == "exclude: run/"
    assert Filter([]).reason(entry(b"fifo", Kind.SPECIAL)) == "special file"


def test_splitting_keeps_the_order_on_both_sides() -> None:
    entries = [entry(b"b"), entry(b"z.tmp"), entry(b"a"), entry(b"y.tmp"), entry(b"fifo", Kind.SPECIAL)]
    inside, outside = Filter(["*.tmp"]).split(entries)
    assert [each.path for each in inside] == [b"b", b"a"]
    assert [(each.path, why) for each, why in outside] == [
        (b"z.tmp", "exclude: *.tmp"),
        (b"y.tmp", "exclude: *.tmp"),
        (b"fifo", "special file"),
    ]


def test_a_waiver_covers_one_path_and_what_is_below_it() -> None:
    filter_ = Filter(["*.tmp"], {b"broken": "beyond repair", b"a/odd\xff": "nobody can read it"})
    entries = [
        entry(path) for path in (b"", b"broken", b"broken/a/b", b"broken.txt", b"a/odd\xff", b"a/odd", b"x/broken")
    ]
    kept, waived = filter_.waive(entries)
    assert [each.path for each in kept] == [b"", b"broken.txt", b"a/odd", b"x/broken"]
    assert [(each.path, reason) for each, reason in waived] == [
        (b"broken", "beyond repair"),
        (b"broken/a/b", "beyond repair"),
        (b"a/odd\xff", "nobody can read it"),
    ]
    assert filter_.hides(b"broken/a")
    assert not filter_.hides(b"a")


@given(st.binary())
def test_a_name_that_is_shown_can_be_written_into_a_plan(raw: bytes) -> None:
    assert undisplay(display(raw)) == raw


@pytest.mark.parametrize("text", ["a\\", "a\\q", "\\x1", "\\xZZ"])
def test_what_no_name_is_shown_as_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="backslash"):
        undisplay(text)
