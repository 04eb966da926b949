"""The small wave of the demo: real files at a provider, keys, and the plan that a user could have written."""

from __future__ import annotations

import json
import os
import shutil
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from string import Template

from migrator.demo.provider import USER, make_key
from migrator.errors import LocalFault, UsageError

WAVE = "demo"

# Packages of the standard library that serve as the portal's files: some hundred real ones, small and middling.
_PACKAGES = ("asyncio", "email", "encodings", "html", "http", "importlib", "json", "logging", "unittest", "xml")

_PLAN = Template("""\
# The plan of the demo: what moves, from where to where, and how users are sent there.
migration: demo

endpoints:
  provider:                        # the outgoing provider: SFTP, no shell
    ssh:
      host: 127.0.0.1
      port: $port
      user: $user
      identity_file: keys/export   # relative paths are relative to this file
      host_keys: ["$host_key"]
    connector: auto                # OpenSSH's client where there is one
    lane: sftp
    limits: {connections: 3}
  datacentre: {local: true}        # this machine

waves:
  - name: $wave
    parallel: 2                    # applications side by side
    applications:
      - name: portal
        datasets:
          - name: files
            source: provider:/portal
            target: datacentre:datacentre/portal
            exclude: ["cache/", "*.tmp"]      # counted and shown, not copied
        freeze:                    # while this flag stands, the portal takes no writes
          on: here
          apply: [touch, $frozen]
          probe: [test, -e, $frozen]
          undo: [rm, -f, $frozen]
        switch:                    # the web server of the datacentre follows this link
          - symlink: {on: target, link: $link, to: $portal}

      - name: phone-book
        datasets:
          - name: files
            source: provider:/phone-book
            target: datacentre:datacentre/phone-book
        switch:                    # without `freeze`: static, which two scans have to prove
          - command:
              on: target
              apply: [touch, $live]
              probe: [test, -e, $live]
              undo: [rm, -f, $live]
""")


@dataclass(frozen=True, slots=True)
class DemoWave:
    """The folder of one demo, and what stands where in it."""

    folder: Path
    client_key: str  # the public half, as a line

    @property
    def plan_file(self) -> Path:
        """The plan; names in it are relative to the folder."""
        return self.folder / "plan.yaml"

    @property
    def state(self) -> Path:
        """The journal; where `migrator` looks for it when called in the folder."""
        return self.folder / "state"

    @property
    def served(self) -> Path:
        """What the provider serves."""
        return self.folder / "provider"

    @property
    def host_key_file(self) -> Path:
        """The provider's private host key."""
        return self.folder / "keys" / "provider"

    @property
    def news(self) -> Path:
        """The file in which an employee writes, at the provider."""
        return self.served / "portal" / "news.txt"

    @property
    def is_frozen(self) -> bool:
        """Whether the portal takes no writes."""
        return self._frozen.exists()

    @property
    def link(self) -> Path:
        """The link that users follow after the switch."""
        return self.folder / "datacentre" / "current"

    @property
    def _frozen(self) -> Path:
        return self.folder / "portal-is-read-only"

    def save_news(self, line: str) -> bool:
        """What the portal does when an employee saves a line of news; False when it is read-only."""
        if self.is_frozen:
            return False
        with self.news.open("a", encoding="utf-8") as news:
            news.write(line + "\n")
        return True

    def write_plan(self, port: int, host_key: str) -> None:
        """Write the plan for a provider that listens at `port` with this host key."""
        plan = _PLAN.substitute(
            port=port,
            user=USER,
            host_key=host_key,
            wave=WAVE,
            frozen=_quoted(self._frozen),
            link=_quoted(self.link),
            portal=_quoted(self.folder / "datacentre" / "portal"),
            live=_quoted(self.folder / "datacentre" / "phone-book-is-live"),
        )
        self.plan_file.write_text(plan, encoding="utf-8")

    def count(self) -> tuple[int, int]:
        """How many files the provider has, and their bytes."""
        sizes = [path.stat().st_size for path in self.served.rglob("*") if path.is_file() and not path.is_symlink()]
        return len(sizes), sum(sizes)


def prepare(folder: Path) -> DemoWave:
    """A wave in `folder`, which is made when missing and must be empty; all but the plan, which needs the port.

    Raises UsageError for a folder that holds something, LocalFault when the disk refuses.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder = folder.resolve()
        if any(folder.iterdir()):
            raise UsageError(f"`{folder}` is not empty", hint="the demo makes its own folder; name one that is new")
        for name in ("keys", "datacentre", "provider"):
            (folder / name).mkdir()
        make_key(folder / "keys" / "provider")
        wave = DemoWave(folder, make_key(folder / "keys" / "export"))
        _make_portal(wave)
        _make_phone_book(wave.served / "phone-book")
    except OSError as error:
        raise LocalFault(f"the demo cannot be prepared: {error}", hint="`--keep DIR` names another folder") from error
    return wave


def _make_portal(wave: DemoWave) -> None:
    portal = wave.news.parent
    library = Path(sysconfig.get_path("stdlib"))
    for package in _PACKAGES:
        if (library / package).is_dir():
            shutil.copytree(library / package, portal / package, ignore=shutil.ignore_patterns("__pycache__"))
    (portal / "latest").symlink_to("news.txt")
    (portal / "inbox").mkdir()
    (portal / ".htaccess").write_text("Options -Indexes\n")
    (portal / "Conseil de quartier - été.txt").write_text("Mardi, 18 h 30.\n", encoding="utf-8")
    (portal / "cache").mkdir()
    (portal / "cache" / "page-1").write_text("made again when needed\n")
    (portal / "upload.tmp").write_text("half a file\n")
    licence = portal / "licence.txt"
    licence.write_text("Open licence.\n")
    licence.chmod(0o444)
    wave.save_news("Monday: the town hall is open.")


def _make_phone_book(book: Path) -> None:
    book.mkdir()
    for number, service in enumerate(("library", "registry office", "swimming pool", "water company")):
        page = book / f"{service}.vcf"
        page.write_text(f"BEGIN:VCARD\nVERSION:4.0\nFN:{service}\nTEL:+33 1 00 00 00 0{number}\nEND:VCARD\n")
        os.utime(page, (1_530_000_000, 1_530_000_000))


def _quoted(path: Path) -> str:
    """A path as a double-quoted scalar of YAML, which a JSON string is."""
    return json.dumps(str(path), ensure_ascii=False)
