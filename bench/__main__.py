"""`python -m bench`: compare, and write docs/performance.md. Start it from the top of the checkout."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.growth import Growth, grow, growth_table
from bench.report import conditions, settings, tables
from bench.rows import BY_NAME, QUICK, ROWS, Sizes
from bench.turns import Results, run_row

_PAGE = Path("docs/performance.md")
_BEGIN, _END = "<!-- measured: begin -->", "<!-- measured: end -->"
_SUFFIXES = {"k": 1_000, "M": 1_000_000}


def main() -> None:
    """Measure and print, or write the page; fails if a program fails or leaves anything out."""
    options = _options()
    if missing := [name for name in ("rsync", "ssh", "diff") if shutil.which(name) is None]:
        sys.exit(f"error: not installed: {', '.join(missing)}\n\nhint: make system-packages")
    results = []
    only = frozenset({"migrator", "rsync -a"}) if options.quick else frozenset[str]()
    sizes = Sizes(options.files, options.unchanged_files, options.large_mib << 20)
    names = QUICK if options.quick else options.rows
    for name in names:
        results.append(run_row(BY_NAME[name], sizes, options.repeats, only))
        print("", *tables(results[-1]), sep="\n", flush=True)
    growth = grow(options.size) if options.size else []
    if growth:
        print("", *growth_table(growth), sep="\n", flush=True)
    if options.out is not None:
        _write(options.out, "\n".join(page(results, growth, options.repeats)))


def page(results: Sequence[Results], growth: Sequence[Growth], repeats: int) -> Iterator[str]:
    """What is written between the two marks of the page."""
    yield f"Measured {time.strftime('%d %B %Y', time.gmtime())}, {repeats} turns each, by turns in a changing order."
    yield ""
    yield from conditions()
    yield ""
    yield "| program | settings |"
    yield "| --- | --- |"
    yield from settings([peer for each in results for peer in each.row.contestants])
    yield ""
    yield from _start_up()
    for each in results:
        yield ""
        yield from tables(each)
    if growth:
        yield ""
        yield "### growth"
        yield ""
        yield from growth_table(growth)


def _start_up() -> Iterator[str]:
    """What the program costs before it does anything."""
    with tempfile.TemporaryDirectory(prefix="migrator-bench-") as folder:
        base = Path(folder)
        (base / "source").mkdir()
        plan = base / "plan.yaml"
        plan.write_text(
            '{"migration": "empty", "endpoints": {"here": {"local": true}}, "waves": [{"name": "one", "applications": '
            f'[{{"name": "a", "datasets": [{{"name": "d", "source": "here:{base}/source", '
            f'"target": "here:{base}/target"}}]}}]}}]}}'
        )
        state = ["--state", str(base / "state")]
        for words in (["--help"], ["run", str(plan), "--until", "seeded", *state], ["status", str(plan), *state]):
            began = time.monotonic()
            subprocess.run([sys.executable, "-m", "migrator", *words], check=True, stdout=subprocess.DEVNULL)
            what = "`migrator run` on an empty dataset" if words[0] == "run" else f"`migrator {words[0]}`"
            yield f"- start-up: {what} takes {time.monotonic() - began:.2f} s"


def _write(path: Path, measured: str) -> None:
    text = path.read_text(encoding="utf-8")
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    path.write_text(f"{before}{_BEGIN}\n\n{measured}\n\n{_END}{after}", encoding="utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    names = [row.name for row in ROWS]
    parser.add_argument("--rows", type=_rows, default=names, metavar="A,B", help=f"which of {', '.join(names)}")
    parser.add_argument("--repeats", type=_count, default=5, metavar="N", help="turns for each program (default: 5)")
    parser.add_argument("--files", type=_count, default=20_000, metavar="N", help="small files (default: 20k)")
    parser.add_argument("--unchanged-files", type=_count, default=200_000, metavar="N", help="default: 200k")
    parser.add_argument("--large-mib", type=_count, default=1024, metavar="N", help="the large file (default: 1024)")
    parser.add_argument("--size", type=_counts, default=(), metavar="N,N", help="growth: 10k,100k,1M")
    parser.add_argument("--quick", action="store_true", help="small files and one large file beside rsync, three turns")
    parser.add_argument("--out", type=Path, nargs="?", const=_PAGE, metavar="PAGE", help=f"write {_PAGE}")
    options = parser.parse_args()
    if options.quick:
        options.repeats = min(options.repeats, 3)
    return options


def _rows(text: str) -> list[str]:
    names = [name for name in text.split(",") if name]
    if unknown := [name for name in names if name not in BY_NAME]:
        raise argparse.ArgumentTypeError(f"there is no row `{unknown[0]}`")
    return names


def _count(text: str) -> int:
    factor = _SUFFIXES.get(text[-1:], 1)
    digits = text[:-1] if factor > 1 else text
    if not digits.isdecimal() or int(digits) < 1:
        raise argparse.ArgumentTypeError(f"`{text}` is not a whole number above 0")
    return int(digits) * factor


def _counts(text: str) -> tuple[int, ...]:
    return tuple(_count(each) for each in text.split(","))


if __name__ == "__main__":
    main()
