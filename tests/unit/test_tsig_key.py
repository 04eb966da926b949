"""Key files: what `tsig-keygen` and its relatives write is read, anything else is refused, no secret ever shown."""

from __future__ import annotations

import base64
import os
import traceback
from pathlib import Path

import dns.name
import pytest

from migrator.errors import Refused
from migrator.switching.dns.key import is_open_to_all, read_key

SECRET = base64.b64encode(b"a secret of thirty-two bytes, ok").decode()
PLAIN = f'key "migrator" {{\n\talgorithm hmac-sha256;\n\tsecret "{SECRET}";\n}};\n'


def write(folder: Path, text: str) -> Path:
    path = folder / "key"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        f"key migrator. {{ secret {SECRET}; algorithm HMAC-SHA256; }};",
        f'# for the city\n// and\n/* key "other" {{ }}; */ {PLAIN}',
        f"{PLAIN}\n# Then, in the zone:\n# update-policy {{ grant migrator zonesub any; }};\n",
    ],
)
def test_a_key_is_read_however_it_is_laid_out(tmp_path: Path, text: str) -> None:
    key = read_key(write(tmp_path, text))
    assert key.name == dns.name.from_text("migrator.")
    assert key.algorithm == dns.name.from_text("hmac-sha256.")
    assert key.secret == base64.b64decode(SECRET)
    assert SECRET not in repr(key) + str(key) + f"{key}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "holds no keys, not one"),
        (SECRET, "holds no keys, not one"),
        (PLAIN + PLAIN.replace("migrator", "other"), "holds 2 keys, not one"),
        (PLAIN.replace("hmac-sha256", "rot13"), "names no algorithm of hmac-md5, "),
        (PLAIN.replace("algorithm hmac-sha256;", ""), "names no algorithm"),
        (PLAIN.replace(SECRET, SECRET[:-2]), "holds no usable name and secret"),
        (PLAIN.replace(SECRET, ""), "holds no usable name and secret"),
        (PLAIN.replace("migrator", "a..b"), "holds no usable name and secret"),
        (PLAIN.replace("}", ""), "names no algorithm"),
    ],
)
def test_anything_else_is_refused_without_showing_the_secret(tmp_path: Path, text: str, words: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(Refused) as caught:
        read_key(path)
    assert words in caught.value.message
    assert str(path) in caught.value.message
    assert caught.value.hint == "make one with `tsig-keygen NAME`, and give it to the name server as well"
    assert SECRET[:-2] not in "".join(traceback.format_exception(caught.value))


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(Refused, match="is not a file"):
        read_key(tmp_path / "fifo")
    with pytest.raises(Refused, match="No such file or directory"):
        read_key(tmp_path / "missing")
    with pytest.raises(Refused, match=r"Is a directory|is not a file"):
        read_key(tmp_path)


@pytest.mark.parametrize(("mode", "is_open"), [(0o600, False), (0o640, False), (0o644, True), (0o604, True)])
def test_a_key_that_everybody_can_read_is_noticed(tmp_path: Path, mode: int, is_open: bool) -> None:
    path = write(tmp_path, PLAIN)
    path.chmod(mode)
    assert is_open_to_all(path) is is_open
