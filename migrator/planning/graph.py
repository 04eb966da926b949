"""Waves, applications and `needs` as a drawing that other tools lay out: Mermaid, or DOT for Graphviz.

An arrow leads from what is needed to what needs it: the way in which cutovers follow each other. Names in a plan are
letters, digits, `.`, `_` and `-`, so that quotation marks are all the escaping that either language asks for; bare,
`end` would be a word of Mermaid's and `-` an operator of DOT's.
"""

from __future__ import annotations

from collections.abc import Sequence

from migrator.domain.plan import Application, Plan, Wave

Chosen = Sequence[tuple[Wave, Sequence[Application]]]


def mermaid(plan: Plan, chosen: Chosen) -> str:
    """A Mermaid flowchart of the chosen applications, and of those outside that they need."""
    drawing = _Drawing(plan, chosen)
    lines = ["flowchart LR"]
    for number, (wave, applications) in enumerate(chosen, start=1):
        lines.append(f'  subgraph w{number}["{wave.name}"]')
        lines += [f'    {drawing.node(each.name)}["{each.name}"]' for each in applications]
        lines.append("  end")
    lines += [f'  {drawing.node(name)}(["{drawing.outsider(name)}"])' for name in drawing.outside]
    lines += [f"  {drawing.node(needed)} --> {drawing.node(name)}" for needed, name in drawing.arrows]
    return "\n".join(lines) + "\n"


def dot(plan: Plan, chosen: Chosen) -> str:
    """The same in DOT."""
    drawing = _Drawing(plan, chosen)
    lines = ["digraph plan {", "  rankdir=LR;", "  node [shape=box];"]
    for number, (wave, applications) in enumerate(chosen, start=1):
        lines.append(f"  subgraph cluster_w{number} {{")
        lines.append(f'    label="{wave.name}";')
        lines += [f'    {drawing.node(each.name)} [label="{each.name}"];' for each in applications]
        lines.append("  }")
    lines += [f'  {drawing.node(name)} [label="{drawing.outsider(name)}", style=dashed];' for name in drawing.outside]
    lines += [f"  {drawing.node(needed)} -> {drawing.node(name)};" for needed, name in drawing.arrows]
    return "\n".join([*lines, "}"]) + "\n"


class _Drawing:
    """Who is drawn, and the arrows between them."""

    def __init__(self, plan: Plan, chosen: Chosen) -> None:
        inside = [application for _, applications in chosen for application in applications]
        names = {application.name for application in inside}
        self.arrows = [(needed, application.name) for application in inside for needed in application.needs]
        self.outside = list(dict.fromkeys(needed for needed, _ in self.arrows if needed not in names))
        self._plan = plan
        self._numbers = {application.name: number for number, application in enumerate(plan.applications, start=1)}

    def node(self, name: str) -> str:
        """The node's own name: by its place in the whole plan, so that it is called the same in every drawing."""
        return f"a{self._numbers[name]}"

    def outsider(self, name: str) -> str:
        """What is written in the node of one that was not chosen."""
        return f"{name} (wave {self._plan.wave_of(name).name})"
