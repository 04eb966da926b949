"""A clock that is set: a process and its children believe that it is another time, which goes on as usual."""

from __future__ import annotations

import datetime as dt
import sysconfig
from pathlib import Path

_LIBRARY = Path("/usr/lib") / str(sysconfig.get_config_var("MULTIARCH")) / "faketime" / "libfaketimeMT.so.1"


def set_to(moment: dt.datetime) -> dict[str, str]:
    """The environment in which it is `moment` from now on; monotonic clocks and times of files stay true."""
    assert _LIBRARY.exists(), "the package faketime is missing"
    seconds = (moment - dt.datetime.now(dt.UTC)).total_seconds()
    return {
        "LD_PRELOAD": str(_LIBRARY),
        "FAKETIME": f"{seconds:+.0f}",
        "DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
    }
