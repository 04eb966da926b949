"""`python -m torture`: do it all, and print one table. Start it from the top of the checkout."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import traceback
from pathlib import Path

from torture.rows import Options, Outcome, Row, all_rows


def main() -> None:
    """Run the rows that are asked for; exits 1 when anything was violated or could not be carried out."""
    rows = all_rows()
    options = _options(rows)
    if options.list:
        for row in rows.values():
            print(f"{row.name}: {row.about}")
        return
    print(*_HEADER, sep="\n", flush=True)
    clean = [_told(rows[name], options) for name in options.rows]
    sys.exit(0 if all(clean) else 1)


_HEADER = ("| row | tried | violations | seconds | |", "| --- | --: | --: | --: | --- |")


def _told(row: Row, options: argparse.Namespace) -> bool:
    """Run one row and print its line; whether nothing was violated."""
    begun = time.monotonic()
    outcome = _outcome(row, options)
    seconds = time.monotonic() - begun
    for violation in outcome.violations:
        print(f"{row.name}: {violation}", file=sys.stderr, flush=True)
    cells = (row.name, f"{outcome.tried:,}", len(outcome.violations), f"{seconds:.0f}", outcome.words)
    print(f"| {' | '.join(map(str, cells))} |", flush=True)
    return not outcome.violations


def _outcome(row: Row, options: argparse.Namespace) -> Outcome:
    """What came of it; a row that breaks off is a violation too, and must not keep the others from running."""
    with tempfile.TemporaryDirectory(prefix=f"torture-{row.name}-", dir=options.folder) as folder:
        try:
            return row.run(Options(Path(folder), options.stride, options.seed))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told with its traceback and counts as failed
            traceback.print_exc()
            return Outcome(0, (f"broke off: {type(error).__name__}: {error}",))


def _options(rows: dict[str, Row]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m torture", description=__doc__)
    parser.add_argument("--list", action="store_true", help="say what there is, and do nothing")
    parser.add_argument("--rows", type=lambda text: _names(text, rows), default=list(rows), metavar="A,B")
    parser.add_argument("--stride", type=_count, default=1, metavar="N", help="every N-th point (default: all of them)")
    parser.add_argument(
        "--seed",
        type=int,
        default=1,
        metavar="N",
        help="for what is drawn by lot, and where a stride begins (default: 1)",
    )
    parser.add_argument("--folder", type=Path, metavar="DIR", help="where the trees are made (default: TMPDIR)")
    return parser.parse_args()


def _names(text: str, rows: dict[str, Row]) -> list[str]:
    names = [name for name in text.split(",") if name]
    if unknown := [name for name in names if name not in rows]:
        raise argparse.ArgumentTypeError(f"there is no row `{unknown[0]}`")
    return names


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"`{text}` is not a whole number above 0")
    return int(text)


if __name__ == "__main__":
    main()
