"""How ssh is called: nothing a plan or a host name can say becomes an option, and nothing is left to chance."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from migrator.domain.plan import EndpointSpec, Ssh
from migrator.endpoints.ssh.openssh_command import pins_of, ssh_command, ssh_environment
from migrator.endpoints.ssh.route import check_names
from migrator.errors import PlanInvalid

ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHXGmCK6s2WtoVCQ0C/GpVwUlHXlwZMWNgpgfVQVfBUA"


def endpoint(name: str = "legacy", **ssh: object) -> EndpointSpec:
    return EndpointSpec(name, ssh=Ssh(**{"host": "web.example", **ssh}))  # type: ignore[arg-type]


def command(*route: EndpointSpec) -> list[str]:
    pins = [Path("/pins") if spec.ssh and spec.ssh.host_keys else None for spec in route]
    return ssh_command(route, [Path("/dev/null")] * len(route), pins)


def resolved(words: list[str], host: str) -> dict[str, str]:
    """What the real ssh makes of a command line."""
    done = subprocess.run([words[0], "-G", *words[1:], "--", host], capture_output=True, text=True, check=True)
    return dict(line.split(" ", 1) for line in done.stdout.splitlines() if " " in line)


def test_every_setting_is_strict() -> None:
    settings = resolved(command(endpoint(port=2222, user="export", host_keys=(ED25519,))), "web.example")
    assert settings["batchmode"] == "yes"
    assert settings["stricthostkeychecking"] == "true"
    assert settings["port"] == "2222"
    assert settings["user"] == "export"
    assert settings["updatehostkeys"] == "false"
    assert settings["forwardagent"] == "no"
    assert settings["clearallforwardings"] == "yes"
    assert settings["permitlocalcommand"] == "no"
    assert settings["serveraliveinterval"] == "15"
    assert settings["serveralivecountmax"] == "2"
    assert settings["hostkeyalgorithms"] == "ssh-ed25519"
    assert settings["userknownhostsfile"] == "/pins"
    assert settings["globalknownhostsfile"] == "/dev/null"
    assert settings["controlmaster"] == "false"


def test_an_rsa_pin_never_allows_sha1(tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "rsa", "-N", "", "-f", tmp_path / "key"], check=True)
    public = (tmp_path / "key.pub").read_text()
    settings = resolved(command(endpoint(host_keys=(public,))), "web.example")
    assert settings["hostkeyalgorithms"] == "rsa-sha2-512,rsa-sha2-256"


@pytest.mark.parametrize("path", ["/a b/key", "/100%h/key", "/$HOME/~/key"])
def test_paths_reach_ssh_as_they_are(path: str) -> None:
    settings = resolved(command(endpoint(identity_file=Path(path), known_hosts=Path(path))), "web.example")
    # `ssh -G` shows paths before it expands `%`.
    assert settings["identityfile"].replace("%%", "%").strip('"') == path
    assert settings["userknownhostsfile"].replace("%%", "%").strip('"') == path
    assert settings["identitiesonly"] == "yes"


@pytest.mark.parametrize("path", ['/a"b', "/a\nb", "/a\\b", "/${HOME}/key"])
def test_paths_that_ssh_would_change_are_refused(path: str) -> None:
    with pytest.raises(PlanInvalid):
        command(endpoint(identity_file=Path(path)))


def test_an_alias_keeps_the_users_configuration() -> None:
    words = command(EndpointSpec("legacy", ssh=Ssh(alias="provider")))
    assert "-F" not in words
    assert "StrictHostKeyChecking=yes" in words
    assert not any("KnownHostsFile" in word for word in words)


def test_a_jump_survives_the_shell_and_every_expansion() -> None:
    first = endpoint("first", host="bastion.example", known_hosts=Path("/it's 100%/hosts"))
    second = endpoint("second", host="inner.example", port=2201)
    words = command(first, second, endpoint(host="fe80::1%eth0", port=2202))
    for through, host, forwarded in (
        (second, "inner.example", "[fe80::1%eth0]:2202"),
        (first, "bastion.example", "inner.example:2201"),
    ):
        (proxy,) = [word for word in words if word.startswith("ProxyCommand=")]
        # As ssh does it: `%%` becomes `%`, then /bin/sh takes the words apart.
        words = shlex.split(proxy.removeprefix("ProxyCommand=").replace("%%", "%"))
        assert words[-4:] == ["-W", forwarded, "--", host], through
    assert 'UserKnownHostsFile="/it\'s 100%%/hosts"' in words


@pytest.mark.parametrize("host", ["-oProxyCommand=touch pwned", "a b", "a;b", "$(id)", "`id`", "a,b", "*", "!a", ""])
def test_hosts_that_are_more_than_names(host: str) -> None:
    with pytest.raises(PlanInvalid):
        check_names(endpoint(host=host))


@pytest.mark.parametrize("user", ["-l", "a'b", "a\nb", "a;b"])
def test_users_that_are_more_than_names(user: str) -> None:
    with pytest.raises(PlanInvalid):
        check_names(endpoint(user=user))


@pytest.mark.parametrize("alias", ["-F/tmp/x", "a b", "a|b", "a\nb"])
def test_aliases_that_are_more_than_names(alias: str) -> None:
    with pytest.raises(PlanInvalid):
        check_names(EndpointSpec("legacy", ssh=Ssh(alias=alias)))


@pytest.mark.parametrize("host", ["web.example", "10.0.0.1", "::1", "fe80::1%eth0", "under_score"])
def test_ordinary_names(host: str) -> None:
    check_names(endpoint(host=host, user="DOMAIN\\export"))


def test_pins_name_the_port() -> None:
    assert pins_of(endpoint()) is None
    assert pins_of(endpoint(port=2222, host_keys=(ED25519,))) == f"[web.example]:2222 {ED25519}\n"


def test_ssh_gets_no_secret_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_PASSWORD", "secret")
    monkeypatch.setenv("SHELL", "/usr/bin/fish")
    environment = ssh_environment([endpoint()])
    assert "DATABASE_PASSWORD" not in environment
    assert environment["SHELL"] == "/bin/sh"
