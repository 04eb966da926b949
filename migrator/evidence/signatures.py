"""SSH signatures (ssh-keygen(1), `-Y`): made with a person's own key or agent, checked against allowed signers."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from migrator.domain.entries import display
from migrator.endpoints.ssh.anonymous_file import AnonymousFile
from migrator.errors import LocalFault, Refused, UsageError

# What a signature is for; one made for something else never counts (ALLOWED SIGNERS in ssh-keygen(1), `namespaces`).
NAMESPACE = "migrator-approval"

_SECONDS = 20.0
_SIGNING_SECONDS = 300.0  # a passphrase to be typed, a hardware key to be touched
_LIMIT_BYTES = 64 * 1024


def sign(text: str, key: Path) -> str:
    """The armoured signature of `text` by the key in that file (or in the agent, where the file is its public half).

    Raises UsageError with ssh-keygen's own words when it does not sign. A passphrase is asked for on the terminal.
    """
    if not key.is_file():
        raise UsageError(f"there is no key `{key}`", hint="`--key` takes the file of an SSH key, private or public")
    done = _keygen(["-Y", "sign", "-q", "-n", NAMESPACE, "-f", str(key)], text.encode(), _SIGNING_SECONDS)
    signature = done.stdout.decode("ascii", "replace")
    if done.returncode != 0 or not signature.startswith("-----BEGIN SSH SIGNATURE-----"):
        raise UsageError(
            f"`{key}` could not sign: {_words(done)}",
            hint="an encrypted key needs a terminal or ssh-agent; for a key in the agent name its public file",
        )
    return signature


def signer(text: str, signature: str, allowed: Sequence[Path]) -> str | None:
    """The principal who signed `text`, by the first allowed-signers file that knows the key; None: nobody there.

    The file's own limits on namespaces and validity hold, as of now. LocalFault when a file cannot be read.
    """
    for path in allowed:
        if not os.access(path, os.R_OK):
            raise LocalFault(
                f"the approvers in `{path}` cannot be read",
                hint="the plan names this file of allowed signers (`approvers`); without it no signature counts",
            )
        with closing(AnonymousFile(signature.encode("ascii", "replace")[:_LIMIT_BYTES])) as file:
            for principal in _candidates(path, str(file.path)):
                if _verifies(text, principal, path, str(file.path)):
                    return principal
    return None


def _candidates(allowed: Path, signature: str) -> list[str]:
    done = _keygen(["-Y", "find-principals", "-s", signature, "-f", str(allowed)], b"", _SECONDS)
    return done.stdout.decode("utf-8", "replace").splitlines() if done.returncode == 0 else []


def _verifies(text: str, principal: str, allowed: Path, signature: str) -> bool:
    command = ["-Y", "verify", "-f", str(allowed), "-I", principal, "-n", NAMESPACE, "-s", signature]
    return _keygen(command, text.encode(), _SECONDS).returncode == 0


def _keygen(arguments: Sequence[str], given: bytes, seconds: float) -> subprocess.CompletedProcess[bytes]:
    # No window may pop up for a passphrase: where no terminal is, the key must do without.
    environment = {**os.environ, "SSH_ASKPASS_REQUIRE": "never", "LC_ALL": "C"}
    command = ["ssh-keygen", *arguments]
    try:
        return subprocess.run(command, input=given, capture_output=True, timeout=seconds, check=False, env=environment)
    except FileNotFoundError as error:
        raise Refused(
            "`ssh-keygen` is not installed, and signatures are made and checked with it",
            hint="install the OpenSSH client (Debian: openssh-client)",
        ) from error
    except subprocess.TimeoutExpired as error:
        raise Refused(f"`ssh-keygen` did not end within {seconds:.0f} s", hint="try again") from error


def _words(done: subprocess.CompletedProcess[bytes]) -> str:
    lines = (done.stderr or done.stdout).strip().splitlines()
    return display(lines[-1][:300]) if lines else f"ssh-keygen exited {done.returncode}"
