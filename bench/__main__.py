"""`python -m bench`: compare, and write docs/performance.md. Start it from the top of the checkout."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.growth import grow, growth_table
from bench.own_cost import own_cost, own_cost_table
from bench.peers import Peer
from bench.report import conditions, settings, tables
from bench.rows import BY_NAME, QUICK, Sizes
from bench.turns import run_row

OWN_COST, GROWTH = "own-cost", "growth"  # what else `--rows` takes

_PAGE = Path("docs/performance.md")
_BEGIN, _END = "<!-- measured: begin -->", "<!-- measured: end -->"
_SUFFIXES = {"k": 1_000, "M": 1_000_000}


def main() -> None:
    """Measure and print, or write the page; fails if a program fails or leaves anything out."""
    # Without compiled files each start of ours would compile itself anew, which no installation does.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    options = _options()
    if missing := [name for name in ("rsync", "ssh", "diff") if shutil.which(name) is None]:
        sys.exit(f"error: not installed: {', '.join(missing)}\n\nhint: make system-packages")
    sections, contestants = [], list[Peer]()
    for name in options.rows:
        row = BY_NAME.get(name)
        try:
            sections.append(list(_section(name, options)))
        except subprocess.CalledProcessError as error:
            sys.exit(f"error: {name}: `{shlex.join(error.cmd)}` ended with {error.returncode}")
        contestants += row.contestants if row is not None else ()
        print(*sections[-1], "", sep="\n", flush=True)
    if options.out is not None:
        _write(options.out, "\n".join(_page(sections, contestants, options.repeats)))


def _section(name: str, options: argparse.Namespace) -> Iterator[str]:
    """One row, measured."""
    if name == OWN_COST:
        return own_cost_table(own_cost(options.files, options.repeats))
    if name == GROWTH:
        return growth_table(grow(options.size))
    only = frozenset({"migrator", "rsync -a"}) if options.quick else frozenset[str]()
    sizes = Sizes(options.files, options.unchanged_files, options.large_mib << 20, options.sparse_mib << 20)
    return tables(run_row(BY_NAME[name], sizes, options.repeats, only))


def _page(sections: Sequence[Sequence[str]], contestants: Sequence[Peer], repeats: int) -> Iterator[str]:
    """What is written between the two marks of the page."""
    yield f"Measured on {time.strftime('%d %B %Y', time.gmtime())} with `python -m bench {shlex.join(sys.argv[1:])}`:"
    yield f"{repeats} turns each, the programs by turns in a changing order."
    yield ""
    yield from conditions()
    yield ""
    yield "| program | settings |"
    yield "| --- | --- |"
    yield from settings(contestants)
    for section in sections:
        yield ""
        yield from section


def _write(path: Path, measured: str) -> None:
    text = path.read_text(encoding="utf-8")
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    path.write_text(f"{before}{_BEGIN}\n\n{measured}\n\n{_END}{after}", encoding="utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    names = [OWN_COST, *BY_NAME, GROWTH]
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--rows", type=_rows, default=names, metavar="A,B", help=f"which of {', '.join(names)}")
    which.add_argument("--quick", action="store_true", help=f"{' and '.join(QUICK)} beside rsync alone")
    parser.add_argument("--repeats", type=_count, metavar="N", help="turns for each program (default: 5; quick: 3)")
    parser.add_argument("--files", type=_count, default=20_000, metavar="N", help="small files (default: 20k)")
    parser.add_argument("--unchanged-files", type=_count, default=200_000, metavar="N", help="default: 200k")
    parser.add_argument("--large-mib", type=_count, default=1024, metavar="N", help="the large file (default: 1024)")
    parser.add_argument(
        "--sparse-mib", type=_count, default=20_480, metavar="N", help="default: 20480, of which 64 data"
    )
    parser.add_argument(
        "--size", type=_counts, default=(10_000, 100_000, 1_000_000), metavar="N,N", help="default: 10k,100k,1M"
    )
    parser.add_argument("--out", type=_page_file, nargs="?", const=str(_PAGE), metavar="PAGE", help=f"default: {_PAGE}")
    options = parser.parse_args()
    options.repeats = options.repeats or (3 if options.quick else 5)
    if options.quick:
        options.rows = list(QUICK)
    return options


def _page_file(text: str) -> Path:
    """A page with the two marks: what is missing is told before hours of measuring."""
    path = Path(text)
    if not path.is_file() or _BEGIN not in path.read_text(encoding="utf-8"):
        raise argparse.ArgumentTypeError(f"`{text}` is not a page that holds `{_BEGIN}`")
    return path


def _rows(text: str) -> list[str]:
    names = [name for name in text.split(",") if name]
    if unknown := [name for name in names if name not in {OWN_COST, *BY_NAME, GROWTH}]:
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
