"""A clock that is set: a process and its children believe that it is another time, which goes on as usual."""

from __future__ import annotations

import datetime as dt
import os
import sysconfig
from pathlib import Path

_LIBRARY = Path("/usr/lib") / str(sysconfig.get_config_var("MULTIARCH")) / "faketime" / "libfaketimeMT.so.1"

# Python sleeps until a time of the monotonic clock, which this library (0.9.10) answers with EINVAL.
_SLEEP = "import select, time\ntime.sleep = lambda seconds: select.select([], [], [], seconds) and None\n"


def set_to(moment: dt.datetime, folder: Path) -> dict[str, str]:
    """The environment in which it is `moment` from now on; monotonic clocks and times of files stay true.

    What Python needs for that is put into `folder`.
    """
    assert _LIBRARY.exists(), "the package faketime is missing"
    seconds = (moment - dt.datetime.now(dt.UTC)).total_seconds()
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(_SLEEP)
    return {
        "PYTHONPATH": os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")])),
        "LD_PRELOAD": str(_LIBRARY),
        "FAKETIME": f"{seconds:+.0f}",
        "DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
    }
