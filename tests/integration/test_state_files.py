"""The state on a real disk: settings, faults, strangers, several processes at once, and a kill at any moment."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from migrator.domain.entries import Class, Kind
from migrator.domain.phases import Phase
from migrator.errors import Held, LocalFault, MigratorError
from migrator.journal import upgrading
from migrator.journal.application import ApplicationJournal, ApplicationView
from migrator.journal.database import _WRITING, Database, _pragma
from migrator.journal.folder import StateFolder
from migrator.journal.journal import Journal
from migrator.journal.locks import FileLock
from migrator.journal.manifest import Copied, Manifest
from migrator.journal.tables import APPLICATION, JOURNAL, Lineage
from tests.support.journals import child, directory, file, line, state, yes

LINEAGES = pytest.mark.parametrize("lineage", [JOURNAL, APPLICATION], ids=lambda lineage: lineage.name)


@pytest.fixture
def folder(tmp_path: Path) -> StateFolder:
    return state(tmp_path)


@contextmanager
def running(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """A child that is gone afterwards."""
    with process:
        try:
            yield process
        finally:
            process.kill()


def settings(database: Database) -> dict[str, object]:
    names = ("journal_mode", "synchronous", "foreign_keys", "trusted_schema", "application_id", "user_version")
    with database.read() as connection:
        return {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names}


def migrated(path: Path, lineage: Lineage) -> Database:
    """A database that came to this version by all migrations, one after the other."""
    with closing(sqlite3.connect(path)) as raw:
        raw.execute(f"PRAGMA application_id = {lineage.application_id}")  # and no version yet
    return Database.open(path, lineage)


def schema(database: Database) -> dict[str, object]:
    """Everything that matters of the tables and indexes; the order of the columns does not."""
    with database.read() as connection:

        def ask(pragma: str) -> list[tuple[object, ...]]:
            return [tuple(row) for row in connection.exec_driver_sql(f"PRAGMA {pragma}")]

        found: dict[str, object] = {}
        for name, sql in connection.exec_driver_sql("SELECT name, coalesce(sql, '') FROM sqlite_schema").fetchall():
            conditions = sorted(re.findall(r"CHECK \(.*?\)|WHERE .*|UNIQUE", sql.replace("<>", "!=")))
            columns = sorted(column[1:] for column in ask(f"table_info('{name}')"))
            keys = sorted(key[2:] for key in ask(f"foreign_key_list('{name}')"))
            indexes = sorted(index[1:] for index in ask(f"index_list('{name}')"))
            order = [column[2] for column in ask(f"index_info('{name}')")]
            found[name] = (conditions, columns, keys, indexes, order)
        # Its kind, how many columns it has, whether it has no rowid, whether it is strict.
        return {**found, "": sorted(table[1:] for table in ask("table_list"))}


def rows(database: Database) -> dict[str, list[tuple[object, ...]]]:
    """All that stands in the tables from the beginning."""
    with database.read() as connection:
        names = connection.exec_driver_sql("SELECT name FROM sqlite_schema WHERE type = 'table'").scalars().all()
        tables = {name: connection.exec_driver_sql(f"SELECT * FROM {name}").fetchall() for name in names}
    return {name: [tuple(row) for row in found] for name, found in tables.items() if found}


class TestOpening:
    """Every connection has the settings that durability rests on."""

    @LINEAGES
    def test_writers(self, tmp_path: Path, lineage: Lineage) -> None:
        for _ in range(2):  # made, then opened again
            with Database.open(tmp_path / "x.db", lineage) as database:
                assert settings(database) == {
                    "journal_mode": "wal",
                    "synchronous": 2,
                    "foreign_keys": 1,
                    "trusted_schema": 0,
                    "application_id": lineage.application_id,
                    "user_version": lineage.version,
                }

    @LINEAGES
    def test_readers_cannot_write(self, tmp_path: Path, lineage: Lineage) -> None:
        Database.open(tmp_path / "x.db", lineage).close()
        view = Database.view(tmp_path / "x.db", lineage)
        assert view is not None
        with view:
            assert settings(view)["trusted_schema"] == 0
            with pytest.raises(LocalFault, match="may only be read"), view.write() as connection:
                connection.exec_driver_sql("DELETE FROM fact")

    def test_a_setting_that_does_not_hold_is_a_fault(
        self, folder: StateFolder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(_WRITING, "page_size", 4097)  # not a power of two: SQLite ignores it without a word
        with pytest.raises(LocalFault, match=r"keeps `page_size` at 4096"):
            Journal.open(folder)

    @LINEAGES
    def test_the_migrations_make_the_tables_that_the_code_knows(self, tmp_path: Path, lineage: Lineage) -> None:
        with migrated(tmp_path / "x.db", lineage) as database, database.read() as connection:
            context = MigrationContext.configure(connection)
            assert compare_metadata(context, lineage.tables) == []
            assert context.get_current_revision() == f"{lineage.version:04d}"

    @LINEAGES
    def test_a_new_database_is_what_the_migrations_would_have_made(self, tmp_path: Path, lineage: Lineage) -> None:
        with Database.open(tmp_path / "new.db", lineage) as new, migrated(tmp_path / "old.db", lineage) as old:
            assert schema(new) == schema(old)
            assert rows(new) == rows(old)
            assert settings(new) == settings(old)

    @LINEAGES
    def test_the_version_counts_the_revisions(self, lineage: Lineage) -> None:
        config = Config()
        config.set_main_option("script_location", str(upgrading._MIGRATIONS))
        config.set_main_option("version_locations", str(upgrading._MIGRATIONS / lineage.name))
        config.set_main_option("path_separator", "newline")
        assert len(list(ScriptDirectory.from_config(config).walk_revisions())) == lineage.version

    def test_a_draft_that_a_killed_run_left_is_no_obstacle(self, folder: StateFolder) -> None:
        for leftover in ("", "-wal", "-journal", "-shm"):
            Path(f"{folder.journal.parent}/.journal.db.new{leftover}").write_bytes(b"half a file")
        assert Journal.open(folder).recorded_plan() is None
        assert not list(folder.path.glob(".*"))


def damage_header(path: Path) -> None:
    path.write_bytes(b"\0" * 100 + path.read_bytes()[100:])


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:50])


def make_newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("PRAGMA user_version = 99")


def make_foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("PRAGMA application_id = 7")


def make_text(path: Path) -> None:
    path.write_text("a shopping list\n" * 100)


def make_empty(path: Path) -> None:
    path.write_bytes(b"")


STRANGE = [
    (damage_header, "damaged"),
    (cut_short, "damaged|not a state file"),
    (make_newer, "newer migrator"),
    (make_foreign, "not a state file"),
    (make_text, "damaged, or not a database"),
    (make_empty, "not a state file"),
]


@pytest.mark.parametrize(("spoil", "sentence"), STRANGE, ids=lambda case: getattr(case, "__name__", None))
class TestStrangers:
    """A file that is not for us is refused with a hint, and stays exactly as it is."""

    def refused(self, path: Path, sentence: str, *openings: Callable[[], object]) -> None:
        before = self.contents(path)
        for opening in openings:
            with pytest.raises(LocalFault, match=sentence) as fault:
                opening()
            assert str(path) in fault.value.message
            assert fault.value.hint
            assert fault.value.exit_code == 9
        assert self.contents(path) == before

    def contents(self, path: Path) -> list[tuple[str, bytes]]:
        """The file and its WAL; the -shm file is SQLite's scratch pad and holds nothing."""
        return [
            (each.name, each.read_bytes())
            for each in sorted(path.parent.glob(f"{path.name}*"))
            if each.suffix != ".db-shm"
        ]

    def test_journal(self, folder: StateFolder, spoil: Callable[[Path], None], sentence: str) -> None:
        Journal.open(folder).record_plan("digest", "{}", "Ada")
        spoil(folder.journal)
        self.refused(folder.journal, sentence, lambda: Journal.open(folder), lambda: Journal.view(folder))

    def test_application(self, folder: StateFolder, spoil: Callable[[Path], None], sentence: str) -> None:
        ApplicationJournal.open(folder, "portail").close()
        spoil(folder.database("portail"))
        self.refused(
            folder.database("portail"),
            sentence,
            lambda: ApplicationJournal.open(folder, "portail"),
            lambda: ApplicationView.open(folder, "portail"),
        )
        FileLock(folder.lock("portail"), "it").acquire()  # nothing keeps the lock after a refusal


def test_a_newer_schema_that_only_stands_in_the_wal_is_refused_too(folder: StateFolder) -> None:
    """A newer version that was killed before its checkpoint leaves the old number in the header."""
    ApplicationJournal.open(folder, "portail").close()
    path = folder.database("portail")
    with running(
        child(
            folder,
            "import sqlite3, os, signal\n"
            "raw = sqlite3.connect(folder.database('portail'))\n"
            "raw.execute('PRAGMA user_version = 99')\n"
            "os.kill(os.getpid(), signal.SIGKILL)\n",
        )
    ) as process:
        process.wait(30)
    main, wal = path.read_bytes(), Path(f"{path}-wal").read_bytes()
    assert wal
    for opening in (ApplicationJournal.open, ApplicationView.open):
        with pytest.raises(LocalFault, match="newer migrator"):
            opening(folder, "portail")
    assert (path.read_bytes(), Path(f"{path}-wal").read_bytes()) == (main, wal)


def test_damage_deep_inside_is_a_fault_when_it_is_met(folder: StateFolder) -> None:
    with ApplicationJournal.open(folder, "portail") as journal:
        journal.manifest("files").begin_scan().note([file(b"%05d" % number) for number in range(5000)])
    path = folder.database("portail")
    content = bytearray(path.read_bytes())
    content[4096 * 30 : 4096 * 60] = b"\xa5" * (4096 * 30)
    path.write_bytes(content)
    with pytest.raises(LocalFault, match="damaged") as fault, ApplicationJournal.open(folder, "portail") as journal:
        journal.tally()
    assert "--adopt" in str(fault.value.hint)


def test_what_is_no_plain_file_is_refused(folder: StateFolder, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.db").write_bytes(b"")
    folder.journal.symlink_to(tmp_path / "elsewhere.db")
    with pytest.raises(LocalFault, match="not a state file"):
        Journal.open(folder)
    folder.database("portail").mkdir()
    with pytest.raises(LocalFault, match="not a state file"):
        ApplicationJournal.open(folder, "portail")


def copy_for_ever(manifest: Manifest) -> None:
    for block in itertools.count():
        names = [b"%d/%05d" % (block, number) for number in range(1000)]
        manifest.copied([Copied(file(name), b"d" * 32, "stream") for name in names])


class TestFullDisk:
    """No room left is a LocalFault, and nothing that was recorded is lost."""

    def test_the_transaction_fails_as_a_whole(self, folder: StateFolder) -> None:
        with ApplicationJournal.open(folder, "portail") as journal:
            manifest = journal.manifest("files")
            manifest.copied([Copied(file(b"kept"), b"d" * 32, "stream")])
            _pragma(journal._database._connection, "max_page_count = 40")  # SQLite's own word for a full disk
            many = [Copied(file(b"%05d" % number), b"d" * 32, "stream") for number in range(5000)]
            with pytest.raises(LocalFault, match="the disk is full"):
                manifest.copied(many)
            assert manifest.tally().items == {Class.ACKNOWLEDGED: 1}
            _pragma(journal._database._connection, "max_page_count = 100000")
            manifest.copied(many)
            assert manifest.tally().seen == 5001

    @pytest.mark.root
    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")
    def test_on_a_file_system_that_is_really_full(self, tmp_path: Path) -> None:
        mount = tmp_path / "small"
        mount.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs", str(mount)], check=True)
        try:
            folder = state(mount)
            with ApplicationJournal.open(folder, "portail") as journal:
                manifest = journal.manifest("files")
                manifest.copied([Copied(file(b"kept"), b"d" * 32, "stream")])
                with pytest.raises(LocalFault) as fault:
                    copy_for_ever(manifest)
                acknowledged = manifest.tally().seen
            assert fault.value.hint is not None
            assert "room" in fault.value.hint
            with pytest.raises(MigratorError):
                Journal.open(folder)
            assert acknowledged % 1000 == 1
            subprocess.run(["mount", "-o", "remount,size=64m", str(mount)], check=True)
            with ApplicationJournal.open(folder, "portail") as journal:
                assert journal.tally().seen == acknowledged
            assert Journal.open(folder).check_chain() == []
        finally:
            subprocess.run(["umount", str(mount)], check=True)


def unprivileged() -> tuple[str, ...]:
    """A wrapper under which file modes hold for root as well (capabilities(7))."""
    return ("setpriv", "--bounding-set=-dac_override,-dac_read_search") if os.geteuid() == 0 else ()


LOOK = """
view, application = Journal.view(folder), ApplicationView.open(folder, "portail")
print(view.recorded_plan().digest, view.approvals(Gate.FREEZE, "portail", "digest", NOON, frozenset())[0].id,
    application.phase, application.tally().seen, len(list(application.items())), view.check_chain())
"""


class TestReadOnly:
    """Looking works where nothing may be written."""

    @pytest.fixture
    def filled(self, folder: StateFolder) -> Iterator[StateFolder]:
        journal = Journal.open(folder)
        journal.record_plan("digest", "{}", "Ada")
        journal.approve(yes())
        with ApplicationJournal.open(folder, "portail") as application:
            application.manifest("files").begin_scan().note([file(b"a"), file(b"b")])
        yield folder
        for path in (folder.path, *folder.path.rglob("*")):
            path.chmod(0o700)

    def close_to_writers(self, folder: StateFolder) -> None:
        for path in (folder.path, *folder.path.rglob("*")):
            path.chmod(0o500 if path.is_dir() else 0o400)

    def test_status_works_on_a_folder_that_may_only_be_read(self, filled: StateFolder) -> None:
        self.close_to_writers(filled)
        before = sorted(filled.path.rglob("*"))
        with running(child(filled, LOOK, *unprivileged())) as process:
            assert line(process) == "digest yes-1 planned 2 2 []"
        assert sorted(filled.path.rglob("*")) == before

    def test_what_a_killed_run_left_in_the_wal_is_seen_as_well(self, filled: StateFolder) -> None:
        with running(
            child(
                filled,
                "import os, signal\n"
                "journal = ApplicationJournal.open(folder, 'portail')\n"
                "journal.finish_attempt(journal.begin_attempt('run-1', 'seed'), Phase.SEEDED)\n"
                "os.kill(os.getpid(), signal.SIGKILL)\n",
            )
        ) as process:
            process.wait(30)
        assert Path(f"{filled.database('portail')}-wal").stat().st_size
        self.close_to_writers(filled)
        with running(child(filled, LOOK, *unprivileged())) as process:
            assert line(process) == "digest yes-1 seeded 2 2 []"

    def test_writing_is_refused_with_the_reason(self, filled: StateFolder) -> None:
        self.close_to_writers(filled)
        script = """
for opening in (
    lambda: Journal.open(folder),
    lambda: ApplicationJournal.open(folder, "new"),
    lambda: ApplicationJournal.open(folder, "portail"),
):
    try:
        opening()
    except Exception as error:
        print(type(error).__name__, error)
"""
        with running(child(filled, script, *unprivileged())) as process:
            for _ in range(3):
                assert re.match(r"LocalFault .*(may only be read|Permission denied)", line(process))


class TestProcesses:
    """Several at once, and dead ones."""

    def test_a_second_run_is_told_who_holds_the_application(self, folder: StateFolder) -> None:
        script = "journal = ApplicationJournal.open(folder, 'portail'); print('held', flush=True); sys.stdin.read()"
        with running(child(folder, script)) as process:
            assert line(process) == "held"
            with pytest.raises(Held, match=f"process {process.pid}") as held:
                ApplicationJournal.open(folder, "portail")
            assert held.value.exit_code == 6
            ApplicationJournal.open(folder, "other").close()
            process.kill()
            process.wait(30)
            ApplicationJournal.open(folder, "portail").close()  # a dead holder needs nobody

    def test_a_program_that_a_run_started_does_not_keep_its_lock(self, folder: StateFolder) -> None:
        script = """
import subprocess
journal = ApplicationJournal.open(folder, "portail")
child = subprocess.Popen(["sleep", "60"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
print(child.pid, flush=True)
sys.stdin.read()
"""
        with running(child(folder, script)) as process:
            orphan = int(line(process))
            try:
                process.kill()
                process.wait(30)
                ApplicationJournal.open(folder, "portail").close()
            finally:
                os.kill(orphan, 9)

    def test_coordinators_take_turns_at_the_journal(self, folder: StateFolder) -> None:
        script = """
journal = Journal.open(folder)
for _ in range(8):
    run = journal.begin_run("run", "digest", "migrator")
    journal.recorded_plan()
    journal.end_run(run, 0)
"""
        children = [child(folder, script) for _ in range(3)]
        for process in children:
            _, errors = process.communicate(timeout=120)
            assert process.returncode == 0, errors
        journal = Journal.open(folder)
        assert journal.check_chain() == []
        with closing(sqlite3.connect(folder.journal)) as raw:
            assert raw.execute("SELECT count(*), count(exit_code) FROM run").fetchone() == (24, 24)

    def test_looking_on_from_another_process_while_a_run_writes(self, folder: StateFolder) -> None:
        script = """
view = None
while view is None:
    view = ApplicationView.open(folder, "portail")
seen = -1
while seen < 5000:
    new = view.tally().seen
    assert new >= seen and new % 100 == 0, (seen, new)
    seen = new
print(view.phase, view.check_chain())
"""
        with (
            ApplicationJournal.open(folder, "portail") as journal,
            running(child(folder, script)) as process,
        ):
            manifest = journal.manifest("files")
            for block in range(50):
                names = [b"%d/%d" % (block, number) for number in range(100)]
                manifest.copied([Copied(file(name), None, "stream") for name in names])
            assert line(process) == "planned []"

    @pytest.mark.parametrize("commits", [1, 7, 23])
    def test_what_was_answered_before_a_kill_is_there_after_it(self, folder: StateFolder, commits: int) -> None:
        script = """
journal = ApplicationJournal.open(folder, "portail")
manifest = journal.manifest("files")
for number in range(10_000):
    attempt = journal.begin_attempt("run-1", "seed")
    rows = [Copied(file(b"%06d/%03d" % (number, each)), b"d" * 32, "stream") for each in range(256)]
    manifest.copied(rows)
    journal.finish_attempt(attempt, Phase.SEEDED)
    print(number, flush=True)
"""
        with running(child(folder, script)) as process:
            for number in range(commits):
                assert line(process) == str(number)
            process.kill()
            process.wait(30)
        with ApplicationJournal.open(folder, "portail") as journal:
            seen = journal.tally().seen
            assert seen >= commits * 256
            assert seen % 256 == 0, "a group is there as a whole, or not at all"
            assert journal.phase is Phase.SEEDED
            view = ApplicationView.open(folder, "portail")
            assert view is not None
            with view:
                assert view.check_chain() == []
            assert len([each for each in journal.attempts(10_000) if each.ended_at is not None]) >= commits

    def test_a_kill_while_the_state_is_made_is_no_obstacle(self, folder: StateFolder) -> None:
        """At whatever moment: the next run makes what is missing."""
        script = "print('go', flush=True)\nJournal.open(folder)\nApplicationJournal.open(folder, 'portail')\n"
        for delay in (0.05, 0.15, 0.25):
            with running(child(folder, script)) as process:
                assert line(process) == "go"
                time.sleep(delay)  # how far it gets does not matter
                process.kill()
                process.wait(30)
            assert Journal.open(folder).check_chain() == []
            with ApplicationJournal.open(folder, "portail") as journal:
                assert journal.phase is Phase.PLANNED
            shutil.rmtree(folder.path)
            folder.create()


def test_a_hundred_thousand_items(folder: StateFolder, capsys: pytest.CaptureFixture[str]) -> None:
    """Times are printed for people who look; what must hold is that nothing is lost on the way."""
    times: list[str] = []
    with ApplicationJournal.open(folder, "portail") as journal:
        manifest = journal.manifest("files")

        def timed_pass(name: str) -> int:
            began = time.perf_counter()
            scan = manifest.begin_scan()
            scan.note([directory(b"")])
            for top in range(100):
                scan.note([file(b"%03d/%04d" % (top, number)) for number in range(1000)])
            items = scan.end().items
            times.append(f"{name} {time.perf_counter() - began:.2f} s")
            return items

        assert timed_pass("first pass") == 100_001
        began = time.perf_counter()
        for block in manifest.pending(frozenset(Kind)):
            for first in range(0, len(block), 256):
                manifest.copied([Copied(entry, b"d" * 32, "stream") for entry in block[first : first + 256]])
        times.append(f"copied {time.perf_counter() - began:.2f} s")
        assert timed_pass("pass without changes") == 100_001
        assert manifest.tally().items == {Class.ACKNOWLEDGED: 100_001}
    with capsys.disabled():
        sys.stdout.write(f"\n100,000 items: {', '.join(times)}\n")
