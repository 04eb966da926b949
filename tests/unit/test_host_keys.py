"""Reading the host keys that plans and known_hosts files hold."""

from __future__ import annotations

import pytest

from migrator.domain.plan import EndpointSpec, Ssh
from migrator.endpoints.ssh.config import parse_known_hosts_line
from migrator.endpoints.ssh.host_keys import known_hosts_name, parse_host_key, pinned_keys
from migrator.errors import PlanInvalid

BODY = "AAAAC3NzaC1lZDI1NTE5AAAAIHXGmCK6s2WtoVCQ0C/GpVwUlHXlwZMWNgpgfVQVfBUA"
ED25519 = f"ssh-ed25519 {BODY}"


def test_a_key_is_read_with_or_without_a_comment() -> None:
    key = parse_host_key(f"{ED25519} root@web")
    assert key is not None
    assert str(key) == ED25519
    assert key.algorithms == ("ssh-ed25519",)
    assert key.fingerprint.startswith("SHA256:")
    assert key == parse_host_key(ED25519)


@pytest.mark.parametrize(
    "line",
    ["", "ssh-ed25519", f"ssh-rsa {BODY}", f"ssh-dss {BODY}", "ssh-ed25519 AAAA!", f"web.example {ED25519}", BODY],
)
def test_what_is_no_key(line: str) -> None:
    assert parse_host_key(line) is None
    with pytest.raises(PlanInvalid, match="is not a host key"):
        pinned_keys(EndpointSpec("legacy", ssh=Ssh(host="web.example", host_keys=(line,))))


@pytest.mark.parametrize(
    ("line", "marker", "is_key"),
    [
        (f"web.example {ED25519}", "", True),
        (f"|1|abc=|def= {ED25519} comment", "", True),
        (f"@revoked * {ED25519}", "@revoked", True),
        (f"@cert-authority *.example {ED25519}", "@cert-authority", True),
        ("# Host web.example found: line 1", "", False),
        ("", "", False),
        ("nonsense", "", False),
    ],
)
def test_known_hosts_lines(line: str, marker: str, is_key: bool) -> None:
    found, key = parse_known_hosts_line(line)
    assert (found, key is not None) == (marker, is_key)


def test_ports_in_known_hosts() -> None:
    assert known_hosts_name("web.example", 22) == "web.example"
    assert known_hosts_name("::1", 2222) == "[::1]:2222"
