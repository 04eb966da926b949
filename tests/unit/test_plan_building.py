"""What a plan's text becomes: units, days, hours, paths, defaults."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from migrator import planfile
from migrator.domain.plan import (
    Application,
    Calendar,
    Cutover,
    Dataset,
    DnsSwitch,
    EndpointSpec,
    FallBack,
    Limits,
    Location,
    NameServer,
    Owner,
    Plan,
    Ssh,
    SymlinkSwitch,
    Triple,
    Wave,
)
from migrator.domain.turning import turned_round

PLANS = Path(__file__).parents[2] / "plans"


def plan_of(folder: Path, text: str) -> Plan:
    path = folder / "plan.yaml"
    path.write_text(text, encoding="utf-8")
    return planfile.load(path)


def application_of(folder: Path, text: str) -> Application:
    head = "migration: x\nendpoints: {h: {local: true}}\nwaves: [{name: w, applications: ["
    return plan_of(folder, f"{head}{text}]}}]\n").applications[0]


def test_the_shortest_plan_has_all_defaults(tmp_path: Path) -> None:
    plan = plan_of(
        tmp_path,
        "migration: m\nendpoints: {old: {ssh: alias}, here: {local: true}}\nwaves:\n- name: w\n  applications:\n"
        "  - name: a\n    datasets: [{name: d, source: 'old:/s', target: 'here:/t'}]\n",
    )
    dataset = Dataset("d", Location("old", b"/s"), Location("here", b"/t"))
    assert plan == Plan(
        path=tmp_path / "plan.yaml",
        migration="m",
        timezone="UTC",
        owners=(Owner("default", "default"),),
        endpoints=(EndpointSpec("old", Ssh(alias="alias")), EndpointSpec("here")),
        waves=(Wave("w", (Application("a", "default", (dataset,)),)),),
        calendar=Calendar(),
        digest=plan.digest,
        content=plan.content,
    )


def test_the_long_example_is_what_it_says() -> None:
    plan = planfile.load(PLANS / "paris-2018.yaml")
    assert [wave.name for wave in plan.waves] == ["july", "august", "september", "october"]
    assert {owner.key for owner in plan.owners} == {"ville", "aphp", "habitat", "eau", "default"}
    assert len(plan.applications) == 12
    july = plan.wave("july")
    assert (july.first_day, july.last_day) == (dt.date(2018, 7, 2), dt.date(2018, 7, 29))
    assert july.cutover == Cutover(frozenset({5}), dt.time(22), dt.time(6))
    assert plan.calendar.bandwidth[0].limit == 20_000_000
    assert plan.calendar.bandwidth[0].days == frozenset(range(5))
    web = plan.endpoint("legacy-web")
    assert web.limits == Limits(4, 50_000_000)
    assert web.ssh is not None
    assert web.ssh.identity_file == Path("~/.ssh/legacy").expanduser()
    housing = plan.endpoint("legacy-housing").ssh
    assert housing is not None
    assert housing.known_hosts == PLANS / "keys/legacy-housing.known_hosts"
    portal = plan.wave("august").application("eau-portail")
    assert portal.soak == dt.timedelta(hours=48)
    assert portal.on_failure == "go_back"
    dns, symlink = portal.switches
    assert dns == DnsSwitch(
        server=NameServer("10.18.0.53", 53),
        zone="paris.example",
        name="eau",
        type="A",
        value="10.18.0.7",
        ttl_seconds=60,
        key_file=PLANS / "keys/paris.tsig",
        servers=(NameServer("10.18.0.53", 53), NameServer("10.18.1.53", 53)),
        timeout_seconds=600.0,
    )
    assert symlink == SymlinkSwitch("target", b"/srv/current/eau", b"/srv/eau/portail")
    directory = july.application("annuaire")
    assert directory.freeze == Triple(
        "source",
        ("systemctl", "stop", "annuaire"),
        ("/usr/local/bin/is-stopped", "annuaire"),
        ("systemctl", "start", "annuaire"),
        300.0,
    )
    assert plan.wave("october").application("imagerie").datasets[0].max_deletions == 0
    assert plan.wave("september").application("demandes-logement").soak == dt.timedelta(days=3, hours=12)


def test_the_short_example_fits_on_a_page() -> None:
    assert planfile.load(PLANS / "first-wave.yaml").waves[0].applications[0].name == "intranet"
    lines = [line for line in (PLANS / "first-wave.yaml").read_text().splitlines() if not line.startswith("#")]
    assert len(lines) == 10


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("0", 0),
        ("90", 90),
        ("90 s", 90),
        ("2h", 7200),
        ("1h30m", 5400),
        ("7 days", 604800),
        ("{hours: 48}", 172800),
        ("{days: 3, hours: 12}", 302400),
        ("{minutes: 1, seconds: 30 s}", 90),
    ],
)
def test_durations(written: str, seconds: int, tmp_path: Path) -> None:
    assert application_of(tmp_path, f"{{name: a, soak: {written}}}").soak == dt.timedelta(seconds=seconds)


@pytest.mark.parametrize(("written", "share"), [("50 %", 0.5), ("0.25", 0.25), ("1", 1), ("1%", 0.01), ("0 %", 0)])
def test_shares(written: str, share: float, tmp_path: Path) -> None:
    dataset = f"{{name: d, source: 'h:/s', target: 'h:/t', max_deletions: {written}}}"
    assert application_of(tmp_path, f"{{name: a, datasets: [{dataset}]}}").datasets[0].max_deletions == share


@pytest.mark.parametrize(
    ("written", "rate"),
    [("50 MB/s", 50_000_000), ("1.5MB/s", 1_500_000), ("8 MiB/s", 8_388_608), ("100 Mbit/s", 12_500_000), ("9/s", 9)],
)
def test_rates(written: str, rate: int, tmp_path: Path) -> None:
    text = f"migration: x\nendpoints: {{h: {{ssh: a, limits: {{bandwidth: {written}}}}}}}\n"
    assert plan_of(tmp_path, text).endpoint("h").limits.bandwidth == rate


@pytest.mark.parametrize(
    ("written", "days"),
    [("sat", {5}), ("mon-fri", {0, 1, 2, 3, 4}), ("fri-mon", {4, 5, 6, 0}), ("[tue, fri-sat]", {1, 4, 5})],
)
def test_days(written: str, days: set[int], tmp_path: Path) -> None:
    text = "migration: x\nendpoints: {h: {local: true}}\nwaves: [{name: w, cutover: {days: %s, hours: 22:30-06:00}}]\n"
    cutover = plan_of(tmp_path, text % written).waves[0].cutover
    assert cutover == Cutover(frozenset(days), dt.time(22, 30), dt.time(6))


def test_a_whole_day_ends_at_the_next_midnight(tmp_path: Path) -> None:
    text = "migration: x\nendpoints: {h: {local: true}}\nwaves: [{name: w, cutover: {days: sat, hours: 00:00-24:00}}]\n"
    assert plan_of(tmp_path, text).waves[0].cutover == Cutover(frozenset({5}), dt.time(0), dt.time(0))


def test_nothing_that_looks_like_another_type_is_changed(tmp_path: Path) -> None:
    freeze = "{on: here, apply: [a, 22:30, no, 0644, 1e3, null, ~, 2018-07-14], probe: [b], undo: [c]}"
    found = application_of(tmp_path, f"{{name: '007', freeze: {freeze}}}")
    assert found.name == "007"
    assert found.freeze is not None
    assert found.freeze.apply == ("a", "22:30", "no", "0644", "1e3", "null", "~", "2018-07-14")


def test_relative_paths_are_relative_to_the_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "plans"
    folder.mkdir()
    text = (
        "migration: x\nowners: {o: {approvers: [keys/o]}}\n"
        "endpoints:\n  h: {local: true}\n  s: {ssh: {host: s, identity_file: ../id, known_hosts: ~/kh}}\n"
        "waves: [{name: w, applications: [{name: a, datasets: [{name: d, source: 'h:data/é', target: 'h:/t//x/'}]}]}]\n"
    )
    (folder / "plan.yaml").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/operator")
    plan = planfile.load(Path("plans/plan.yaml"))
    assert plan.path == Path("plans/plan.yaml")
    dataset = plan.applications[0].datasets[0]
    assert dataset.source.path == f"{folder}/data/é".encode()
    assert dataset.target.path == b"/t/x"
    ssh = plan.endpoint("s").ssh
    assert ssh is not None
    assert ssh.identity_file == tmp_path / "id"
    assert ssh.known_hosts == Path("/home/operator/kh")
    assert plan.owners[0].approvers == (folder / "keys/o",)


@pytest.mark.parametrize(
    ("text", "host", "port", "shown"),
    [
        ("10.0.0.53", "10.0.0.53", 53, "10.0.0.53:53"),
        ("ns1.paris.example:5353", "ns1.paris.example", 5353, "ns1.paris.example:5353"),
        ("[2001:DB8:0::53]:5353", "2001:db8::53", 5353, "[2001:db8::53]:5353"),
        ("[::1]", "::1", 53, "[::1]:53"),
        ("2001:db8::53", "2001:db8::53", 53, "[2001:db8::53]:53"),
    ],
)
def test_name_servers_have_an_address_and_a_port(text: str, host: str, port: int, shown: str, tmp_path: Path) -> None:
    dns = f"{{server: '{text}', zone: Paris.Example., name: Eau, type: A, value: 10.0.0.7, servers: ['{text}']}}"
    plan = plan_of(
        tmp_path,
        "migration: x\nendpoints: {h: {local: true}}\nwaves:\n  - name: w\n    applications:\n"
        f"      - {{name: a, switch: [dns: {dns}]}}\n",
    )
    (switch,) = plan.applications[0].switches
    assert isinstance(switch, DnsSwitch)
    assert switch.server == NameServer(host, port)
    assert str(switch.server) == shown
    assert switch.servers == (switch.server,), "nobody is asked twice"
    assert (switch.zone, switch.name, switch.ttl_seconds, switch.timeout_seconds) == ("paris.example", "eau", 60, 120)


def test_falling_back_is_what_the_plan_says_and_nothing_by_itself(tmp_path: Path) -> None:
    keys = "source_write: true, endpoint: rw, freeze: {apply: [a], probe: [b], undo: [c], timeout: 5 s}"
    path = tmp_path / "plan.yaml"
    path.write_text(
        "migration: x\nendpoints: {old: {ssh: old}, rw: {ssh: rw}, h: {local: true}}\nwaves:\n  - name: w\n"
        "    applications:\n"
        f'      - {{name: a, datasets: [{{name: d, source: "old:/a", target: "h:/a"}}], fall_back: {{{keys}}}}}\n'
        '      - {name: b, datasets: [{name: d, source: "old:/b", target: "h:/b"}]}\n'
    )
    one, other = planfile.load(path).applications
    assert one.fall_back == FallBack(True, "rw", Triple("target", ("a",), ("b",), ("c",), 5.0))
    assert other.fall_back == FallBack()
    assert not other.fall_back.source_write
    (back,) = turned_round(one).datasets
    assert (str(back.source), str(back.target)) == ("h:/a", "rw:/a")
    (back,) = turned_round(other).datasets
    assert (str(back.source), str(back.target)) == ("h:/b", "old:/b")
