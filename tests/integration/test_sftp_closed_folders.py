"""What an account without rights cannot see over SFTP is told, even where the server keeps silent about it."""

from __future__ import annotations

import os

from migrator.domain.entries import Entry, Unreadable
from tests.support.accounts import NOBODY, open_folder
from tests.support.sftp_pipe import piped_endpoint
from tests.support.trees import write_file


def test_what_cannot_be_listed_is_unknown_and_not_empty() -> None:
    with open_folder() as root:
        for folder, mode in ((b"closed", 0o000), (b"names only", 0o444), (b"no listing", 0o311), (b"open", 0o755)):
            write_file(root + b"/" + folder + b"/file")
            os.mkdir(root + b"/" + folder + b"/empty")
            os.chmod(root + b"/" + folder, mode)
        with piped_endpoint(user=NOBODY if os.geteuid() == 0 else None) as endpoint:
            found = [each for block in endpoint.source(root).scan() for each in block]
        entries = {each.path for each in found if isinstance(each, Entry)}
        unreadable = {each.path for each in found if isinstance(each, Unreadable)}
        assert unreadable == {b"closed", b"names only", b"no listing"}
        assert entries == {b"", b"closed", b"names only", b"no listing", b"open", b"open/file", b"open/empty"}
