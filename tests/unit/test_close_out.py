"""The close-out list: what it names, and what it never does."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest

from migrator import planfile
from migrator.domain.plan import Plan
from migrator.evidence.close_out import CloseOut, Found, accounts, as_json, copies, keys
from migrator.evidence.close_out_page import page
from migrator.journal.history import Attestation

NOON = dt.datetime(2018, 12, 1, 12, 0, tzinfo=dt.UTC)
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICsg5YRSt1E9TSQTDnkTZrwOhOCtNEUoOd8SVO0wn5oA"
FINGERPRINT = "SHA256:TbKG1IouG5oXomR4VOwK6swn0AfQC6UHbIImTBUmoL0 (ssh-ed25519)"  # as `ssh-keygen -lf` shows it
PLAN = f"""\
migration: paris
owners: {{eau: {{name: Eau de Paris}}, aphp: {{name: AP-HP, confidential: true}}}}
endpoints:
  bastion: {{ssh: {{host: bastion.example, user: export, identity_file: keys/legacy, host_keys: ["{KEY}"]}}}}
  old: {{ssh: {{host: web.example, user: export, jump: bastion}}}}
  alias: {{ssh: legacy}}
  new: {{local: true}}
waves:
  - name: july
    applications:
      - name: portail
        owner: eau
        datasets: [{{name: files, source: "old:/a|b", target: "new:/srv/a"}}]
        switch:
          - dns: {{server: "10.0.0.53", zone: z.example, name: n, type: A, value: 10.0.0.1, key_file: keys/tsig}}
          - http:
              apply: {{url: "http://h/x"}}
              probe: {{url: "http://h"}}
              undo: {{url: "http://h"}}
              token_file: keys/t
      - name: releves
        owner: eau
        datasets: [{{name: files, source: "old:/b", target: "new:/srv/b"}}]
      - name: imagerie
        owner: aphp
        datasets: [{{name: files, source: "bastion:/c", target: "new:/srv/c"}}]
      - name: seule
        owner: eau
        datasets: [{{name: files, source: "alias:/d", target: "new:/srv/d"}}]
"""


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    path = tmp_path / "plan.yaml"
    path.write_text(PLAN)
    return planfile.load(path)


def listed(plan: Plan, name: str, *attestations: Attestation) -> CloseOut:
    application = plan.wave("july").application(name)
    return CloseOut(
        migration="paris",
        application=name,
        owner="Eau de Paris",
        plan_digest=plan.digest,
        accepted_at=NOON,
        made_at=NOON,
        found=(Found("files", str(application.datasets[0].source), is_empty=True, sentence="is empty"),),
        accounts=tuple(accounts(plan, application)),
        keys=tuple(keys(application)),
        copies=tuple(copies(application, "/state")),
        attestations=attestations,
    )


def test_every_login_on_the_way_is_named_with_who_still_needs_it(plan: Plan) -> None:
    old, bastion = listed(plan, "portail").accounts
    assert (old.login, bastion.login) == ("export@web.example:22", "export@bastion.example:22")
    assert old.still_used_by == bastion.still_used_by == ("releves",)
    assert (old.is_shared, bastion.is_shared) == (False, True)
    assert bastion.key == str(plan.path.parent / "keys/legacy")
    assert bastion.host_keys == (FINGERPRINT,)
    (alias,) = listed(plan, "seule").accounts
    assert (alias.login, alias.still_used_by) == ("the alias legacy of ~/.ssh/config", ())


def test_nothing_of_another_owner_is_told(plan: Plan) -> None:
    close_out = listed(plan, "portail")
    for text in (json.dumps(as_json(close_out)), page(close_out)):
        for word in ("imagerie", "aphp", "AP-HP", "/srv/c"):
            assert word not in text


def test_the_keys_of_the_switches_are_named_and_not_read(plan: Plan) -> None:
    tsig, token = listed(plan, "portail").keys
    assert "keys/tsig" in tsig
    assert "keys/t" in token


def test_the_page_says_all_of_it_and_a_name_breaks_no_table(plan: Plan) -> None:
    letter = Attestation("a" * 64, "letter <b>.pdf", 7, "Ada", NOON)
    shown = page(listed(plan, "portail", letter))
    for heading in ("The source", "Accounts to close", "Keys", "Copies", "Request for erasure", "Attestations"):
        assert f"\n## {heading}" in shown
    assert "old:/a\\|b" in shown
    assert "letter &lt;b>.pdf" in shown
    assert "Please attest in writing" in shown


def test_the_list_for_programs_holds_the_same(plan: Plan) -> None:
    letter = Attestation("a" * 64, "letter.pdf", 7, "Ada", NOON)
    found = json.loads(json.dumps(as_json(listed(plan, "portail", letter))))
    assert found["source_is_empty"] is True
    assert found["accepted_at"] == "2018-12-01T12:00:00+00:00"
    assert [each["sha256"] for each in found["attestations"]] == ["a" * 64]
    assert {each["what"] for each in found["copies"]} >= {"source of `files`", "target of `files`"}
