"""Whatever is done to a good plan, the answer is a Plan or a PlanInvalid."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from migrator import planfile
from migrator.errors import PlanInvalid

PLANS = Path(__file__).parents[2] / "plans"
TEXTS = [path.read_text(encoding="utf-8") for path in sorted(PLANS.glob("*.yaml"))]
LINES = [line for text in TEXTS for line in text.splitlines()]
# What YAML, numbers, durations, paths and URLs stumble over.
HARMFUL = st.sampled_from(
    (
        *(
            "-",
            "~",
            "null",
            "[]",
            "{}",
            "[[a]]",
            "{a: b}",
            "&a",
            "*a",
            "!t",
            "<<: {}",
            "'",
            '"',
            "|",
            ">",
            "%",
            "? a",
            "#",
        ),
        *("", ": ", '"\\0"', '"\\ud800"', "\t", "\0", "\x85", "\ud800", "\U0001f600", "\u0663"),
        *("-1", "1e400", "nan", "inf", "0x10", "9" * 400, "9" * 400 + " MB/s", "1" * 17 + " days"),
        *("..", "/", "a:", ":a", "[key]", "http://[", "http://h:99999", "http://h:x/", "Europe", "../etc/passwd"),
    )
)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    text = draw(st.sampled_from(TEXTS))
    for _ in range(draw(st.integers(1, 4))):
        match draw(st.integers(0, 4)):
            case 0:
                start = draw(st.integers(0, len(text)))
                end = min(len(text), start + draw(st.integers(0, 30)))
                text = text[:start] + draw(HARMFUL | st.text(max_size=8)) + text[end:]
            case 1:
                lines = text.splitlines() or [""]
                del lines[draw(st.integers(0, len(lines) - 1))]
                text = "\n".join(lines)
            case 2:
                lines = text.splitlines() or [""]
                lines.insert(draw(st.integers(0, len(lines))), draw(st.sampled_from(LINES)))
                text = "\n".join(lines)
            case 3:
                lines = text.splitlines() or [""]
                number = draw(st.integers(0, len(lines) - 1))
                head, colon, _ = lines[number].partition(": ")
                lines[number] = f"{head}{colon}{draw(HARMFUL)}"
                text = "\n".join(lines)
            case _:
                number = draw(st.integers(0, len(text)))
                text = text[:number] if draw(st.booleans()) else text[number:]
    return text


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz") / "plan.yaml"


@settings(
    max_examples=300, deadline=None, database=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
@given(text=mutated())
def test_a_plan_or_a_refusal_and_nothing_else(text: str, path: Path) -> None:
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        plan = planfile.load(path)
    except PlanInvalid as error:
        lines = text.count("\n") + text.count("\r") + text.count("\x85") + text.count("\u2028") + text.count("\u2029")
        for complaint in error.complaints:
            assert 1 <= complaint.line <= lines + 2
            assert complaint.column >= 1
            assert complaint.message
            assert complaint.hint
            assert complaint.message.isprintable()
            assert complaint.hint.isprintable()
    else:
        assert planfile.differences(plan.content, plan.content) == ()
