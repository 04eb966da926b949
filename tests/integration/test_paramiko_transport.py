"""paramiko's dead-lock on a new key exchange (its issue 822), provoked at the very moment at which it strikes."""

from __future__ import annotations

from typing import Any

import paramiko
import pytest
from paramiko.common import MSG_CHANNEL_CLOSE

from migrator.endpoints.ssh.paramiko_link import Link
from tests.support.sshd import Sshd


def test_a_channel_closed_in_the_middle_of_a_key_exchange(sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[paramiko.Channel] = []

    def close_in_an_exchange(channel: Any, message: Any) -> None:
        if not closed:
            channel.transport._send_kex_init()  # as if our limit had been reached just before
            closed.append(channel)
        channel._handle_close(message)

    table: dict[int, object] = paramiko.Transport._channel_handler_table  # type: ignore[attr-defined]  # not in the stubs
    monkeypatch.setitem(table, MSG_CHANNEL_CLOSE, close_in_an_exchange)
    link = Link([sshd.endpoint("paramiko")])
    try:
        first = link.open_channel()
        first.exec_command("true")
        assert first.recv_exit_status() == 0
        # The stock transport is stuck by now, and would only say so after 30 s.
        second = link.transport.open_session(timeout=5)
        second.exec_command("echo alive")
        assert second.recv(100) == b"alive\n"
        assert closed == [first]
        first.close()
        second.close()
    finally:
        link.close()
