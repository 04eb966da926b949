"""Inventories as people have them, and the plans that are drafted from them: always valid, never a made-up folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from migrator import planfile
from migrator.errors import UsageError

MIGRATION_HUB = """\
ExternalId,IPAddress,HostName,VMware.VMName,OS.Name,Applications,ApplicationWave,Tags
1,10.0.0.1,web1.old,,Linux,Portail citoyen,juillet,
2,10.0.0.2,web2.old,,Linux,"Portail citoyen;Annuaire",juillet,
3,10.0.0.3,,,Linux,,août,
"""
MIGRATION_SERVICE = """\
mgn:account-id,mgn:wave:name,mgn:app:name,mgn:server:user-provided-id,mgn:server:fqdn-for-action-framework
1,wave 1,eau,a,eau.old.example
1,wave 1,eau,b,eau-files.old.example
1,wave 2,parcs,c,parcs.old.example
"""
AZURE_MIGRATE = """\
*Server name,IP addresses,*Cores,*Memory (In MB),*OS name,Number of disks,Disk 1 size (In GB)
srv-01,10.1.0.4;10.1.0.5,4,8192,Debian 11,1,80
srv-02,10.1.0.6,2,4096,Debian 11,1,40
srv-03,,2,4096,Debian 11,1,40
"""
PLAIN = """\
Application;Host;Path;Target;Owner
eau;eau.old;/var/www/eau;/srv/www/eau;Direction de l'eau
eau;eau.old;/home/eau/files;/srv/files/eau;Direction de l'eau
parcs;parcs.old;/var/www;/srv/www/parcs;Espaces verts
"""


def drafted(tmp_path: Path, content: str, **more: Any) -> dict[str, Any]:
    """The plan that is drafted, which is loaded as every plan is."""
    (tmp_path / "inventory.csv").write_text(content, encoding="utf-8")
    wanted: dict[str, Any] = {
        "migration": "city",
        "target": "root@dc.example",
        "target_root": "/srv",
        "wave_size": 10,
        **more,
    }
    text = planfile.draft_from_inventory(tmp_path / "inventory.csv", **wanted)
    (tmp_path / "plan.yaml").write_text(text, encoding="utf-8")
    planfile.load(tmp_path / "plan.yaml")
    plan: dict[str, Any] = yaml.safe_load(text)
    return plan


def moves(plan: dict[str, Any]) -> dict[str, dict[str, list[tuple[str, str]]]]:
    """From where to where everything goes, by wave and application."""
    return {
        wave["name"]: {
            each["name"]: [(data["source"], data["target"]) for data in each["datasets"]]
            for each in wave["applications"]
        }
        for wave in plan["waves"]
    }


def test_the_import_of_aws_migration_hub(tmp_path: Path) -> None:
    plan = drafted(tmp_path, MIGRATION_HUB)
    assert moves(plan) == {
        "juillet": {
            "Portail-citoyen": [
                ("web1.old:/FILL-IN/Portail-citoyen", "dc.example:/srv/Portail-citoyen/web1.old"),
                ("web2.old:/FILL-IN/Portail-citoyen", "dc.example:/srv/Portail-citoyen/web2.old"),
            ],
            "Annuaire": [("web2.old:/FILL-IN/Annuaire", "dc.example:/srv/Annuaire")],
        },
        "aout": {"10.0.0.3": [("10.0.0.3:/FILL-IN/10.0.0.3", "dc.example:/srv/10.0.0.3")]},
    }
    assert plan["endpoints"]["dc.example"] == {"ssh": {"host": "dc.example", "user": "root"}}
    text = (tmp_path / "plan.yaml").read_text()
    assert "Left out: the columns ExternalId, OS.Name, Tags." in text
    assert "the folder at the source in 4 places" in text


def test_the_import_of_aws_application_migration_service(tmp_path: Path) -> None:
    found = moves(drafted(tmp_path, MIGRATION_SERVICE))
    assert {wave: list(some) for wave, some in found.items()} == {"wave-1": ["eau"], "wave-2": ["parcs"]}
    assert len(found["wave-1"]["eau"]) == 2


def test_the_import_of_azure_migrate_in_waves_of_two(tmp_path: Path) -> None:
    found = moves(drafted(tmp_path, AZURE_MIGRATE, wave_size=2))
    assert {wave: list(some) for wave, some in found.items()} == {"wave-1": ["srv-01", "srv-02"], "wave-2": ["srv-03"]}


def test_a_plain_list_that_says_it_all(tmp_path: Path) -> None:
    plan = drafted(tmp_path, PLAIN, target=None)
    assert moves(plan)["wave-1"] == {
        "eau": [("eau.old:/var/www/eau", "new:/srv/www/eau"), ("eau.old:/home/eau/files", "new:/srv/files/eau")],
        "parcs": [("parcs.old:/var/www", "new:/srv/www/parcs")],
    }
    assert plan["owners"]["Direction-de-l-eau"] == {"name": "Direction de l'eau"}
    assert plan["endpoints"]["new"] == {"local": True}
    assert "To fill in" not in (tmp_path / "plan.yaml").read_text()


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_spreadsheets_of_all_kinds(separator: str, mark: str, end: str, tmp_path: Path) -> None:
    content = mark + end.join([separator.join(("Host", "Application")), separator.join(("a.old", "eau")), "", ""])
    assert list(moves(drafted(tmp_path, content))["wave-1"]) == ["eau"]


def test_what_looks_alike_gets_two_names(tmp_path: Path) -> None:
    plan = drafted(tmp_path, "application,host\nEau!,new\nEau?,new\n", target=None)
    assert moves(plan)["wave-1"] == {
        "Eau": [("new-2:/FILL-IN/Eau", "new:/srv/Eau")],
        "Eau-2": [("new-2:/FILL-IN/Eau", "new:/srv/Eau-2")],
    }
    assert plan["endpoints"] == {"new-2": {"ssh": {"host": "new"}}, "new": {"local": True}}


def test_an_application_is_one_whatever_its_rows_say(tmp_path: Path) -> None:
    plan = drafted(tmp_path, "application,host,wave,owner\neau,a.old,1,x\neau,a.old,2,\neau,b.old,,y\n")
    assert {wave: list(some) for wave, some in moves(plan).items()} == {"1": ["eau"]}
    text = (tmp_path / "plan.yaml").read_text()
    assert "`eau` has more than one wave there (1, 2): the first was taken." in text
    assert "`eau` has more than one owner there (x, y): the first was taken." in text


@pytest.mark.parametrize("name", ["yes", "null", "1e3", "a: b", "- x", "'", "\u202egpj", "é" * 200, "::", "{}"])
def test_no_name_breaks_the_plan(name: str, tmp_path: Path) -> None:
    drafted(tmp_path, f'application,host,owner\n"{name}",a.old,"{name}"\n')


def test_no_column_leaves_the_heading(tmp_path: Path) -> None:
    plan = drafted(tmp_path, 'application,host,"note\nwaves: []\nx"\neau,a.old,y\n')
    assert list(moves(plan)) == ["wave-1"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "neither applications nor hosts"),
        ("colour,size\nred,3\n", "neither applications nor hosts"),
        ("application,host\n", "lists nothing"),
        ("application,host,path\na,b,var/www\n", "not absolute"),
        ("application,host,path\na,b,/var/../etc\n", "not absolute"),
        ('application,host\n"a,b\n', "no CSV"),
        ("application,host\na,b c\n", "no host"),
    ],
)
def test_what_is_no_inventory(content: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        drafted(tmp_path, content)
    assert caught.value.hint


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "latin.csv").write_bytes("application\nÉtat\n".encode("latin-1"))
    with pytest.raises(UsageError, match="UTF-8"):
        planfile.draft_from_inventory(
            tmp_path / "latin.csv", migration="m", target=None, target_root="/srv", wave_size=1
        )
