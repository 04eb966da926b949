"""What counts for the digest of a plan and what does not, and how a difference is put into words."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from migrator import planfile
from migrator.domain.plan import Plan

BASE = """\
migration: x
owners: {ville: {}}
endpoints:
  old: {ssh: old}
  h: {local: true}
waves:
  - name: july
    applications:
      - name: portal
        owner: ville
        datasets:
          - name: files
            source: old:/var/www
            target: h:/srv/www
            exclude: [cache/]
        switch:
          - symlink: {link: /srv/current, to: /srv/www}
        soak: 48h
      - name: intranet
  - name: august
"""


def plan_of(folder: Path, text: str) -> Plan:
    folder.mkdir(exist_ok=True)
    (folder / "plan.yaml").write_text(text, encoding="utf-8")
    return planfile.load(folder / "plan.yaml")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("migration: x\n", "# a comment\nmigration:   'x'\n\n"),
        ("migration: x\nowners: {ville: {}}\n", "owners: {ville: {}}\nmigration: x\n"),
        ("    applications:", "    parallel: 4\n    needs: []\n    applications:"),
        ("migration: x", "migration: x\ntimezone: UTC\ncalendar: {}"),
        ("{ssh: old}", "{ssh: {alias: old}, lane: auto, limits: {connections: 4}}"),
        ("{local: true}", "{local: true, limits: {}}"),
        ("soak: 48h", "soak: {days: 1, hours: 24}"),
        ("soak: 48h", "soak: 172800"),
        ("/srv/current,", "/srv//current/,"),
        ("{link:", "{on: target, timeout: 2 min, link:"),
        ("target: h:/srv/www", "target: h:/srv/www/\n            max_deletions: 50 %"),
    ],
)
def test_what_does_not_count(old: str, new: str, tmp_path: Path) -> None:
    assert BASE.count(old) == 1
    base, other = plan_of(tmp_path, BASE), plan_of(tmp_path, BASE.replace(old, new))
    assert other.content == base.content
    assert other.digest == base.digest
    assert planfile.differences(base.content, other.content) == ()


def test_the_place_of_the_checkout_does_not_count(tmp_path: Path) -> None:
    text = BASE.replace("h:/srv/www", "h:data").replace("{ssh: old}", "{ssh: {host: a, identity_file: keys/id}}")
    here, there = plan_of(tmp_path / "here", text), plan_of(tmp_path / "there", text)
    assert here.digest == there.digest
    assert here.endpoints != there.endpoints


def test_the_digest_is_taken_over_the_content(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "migration: x\nendpoints: {h: {local: true}}\n")
    assert plan.content == '{"endpoints":{"h":{"local":true}},"migration":"x"}'
    assert plan.digest == hashlib.sha256(plan.content.encode()).hexdigest()


PORTAL = "wave `july`, application `portal`: "


@pytest.mark.parametrize(
    ("old", "new", "sentences"),
    [
        ("migration: x", "migration: y", ["migration changed from `x` to `y`"]),
        ("migration: x", "migration: x\ntimezone: Europe/Paris", ["timezone set to `Europe/Paris`"]),
        ("h:/srv/www", "h:/srv/b", [f"{PORTAL}dataset `files`: target changed from `h:/srv/www` to `h:/srv/b`"]),
        ("[cache/]", "[cache/, tmp/]", [f"{PORTAL}dataset `files`: exclude changed from `cache/` to `cache/, tmp/`"]),
        ("soak: 48h", "needs: []", [f"{PORTAL}soak no longer set, it was `172800.0`"]),
        ("to: /srv/www", "to: /srv/b", [f"{PORTAL}switch 1.symlink.to changed from `/srv/www` to `/srv/b`"]),
        ("name: files", "name: data", [f"{PORTAL}dataset `files` removed", f"{PORTAL}dataset `data` added"]),
        (
            "- name: intranet",
            "- name: wiki",
            ["wave `july`: application `intranet` removed", "wave `july`: application `wiki` added"],
        ),
        ("- name: august", "- name: autumn", ["wave `august` removed", "wave `autumn` added"]),
        (
            "- name: august\n",
            "- {name: august, applications: [{name: last}]}\n",
            ["wave `august`: application `last` added"],
        ),
        (
            "      - name: intranet\n  - name: august\n",
            "  - {name: august, applications: [{name: intranet, soak: 1}]}\n",
            [
                "application `intranet` moved from wave `july` to wave `august`",
                "wave `august`, application `intranet`: soak set to `1.0`",
            ],
        ),
        ("old: {ssh: old}", "old: {ssh: new}", ["endpoint `old`: ssh.alias changed from `old` to `new`"]),
        ("owners: {ville: {}}", "owners: {ville: {}, eau: {}}", ["owner `eau` added"]),
        (
            "to: /srv/www}\n",
            "to: /srv/www}\n          - symlink: {link: /a, to: /b}\n",
            [f'{PORTAL}switch 2 set to `{{"symlink": {{"link": "/a", "to": "/b"}}}}`'],
        ),
        ("    applications:", "    parallel: 8\n    applications:", ["wave `july`: parallel set to `8`"]),
    ],
)
def test_a_difference_is_put_into_words(old: str, new: str, sentences: list[str], tmp_path: Path) -> None:
    assert BASE.count(old) == 1
    base, other = plan_of(tmp_path, BASE), plan_of(tmp_path, BASE.replace(old, new))
    assert other.digest != base.digest
    assert list(planfile.differences(base.content, other.content)) == sentences


def test_a_new_order_is_a_difference(tmp_path: Path) -> None:
    head = "migration: x\nendpoints: {h: {local: true}}\nwaves: [{name: w, applications: [%s]}]\n"
    one, other = plan_of(tmp_path, head % "{name: a}, {name: b}"), plan_of(tmp_path, head % "{name: b}, {name: a}")
    assert planfile.differences(one.content, other.content) == (
        "wave `w`: the order of applications changed from `a, b` to `b, a`",
    )
