"""The shape of a plan as it is written: each mapping and its keys. The descriptions are the reference of the format."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_serializer, model_validator

from migrator.planfile.accepting_shape import AcceptedShape
from migrator.planfile.check_shapes import CheckShape
from migrator.planfile.effect_shapes import FreezeShape, SwitchShape, TargetFreezeShape
from migrator.planfile.endpoint_shapes import EndpointShape
from migrator.planfile.fields import (
    Date,
    Days,
    Duration,
    File,
    Flag,
    Hours,
    Location,
    MigrationName,
    Name,
    Names,
    Rate,
    Rule,
    Share,
    Text,
    Timezone,
    in_order,
    whole_number,
    wrong,
)
from migrator.planfile.mapping import Mapping, Short
from migrator.planfile.waiver_shape import WaiverShape

KeepWord = Literal["mode", "times", "owner", "hardlinks", "xattrs", "acls", "holes", "setid"]
Keep = Annotated[list[KeepWord], AfterValidator(in_order)]
Amount = Annotated[int, whole_number(0, 10_000)]
Parallel = Annotated[int, whole_number(1, 64)]


class OwnerShape(Mapping):
    """The organisation to which applications belong."""

    name: Text | None = Field(default=None, description="Its full name; without it, the key.")
    confidential: Flag = Field(default=False, description="`true`: its file names appear in its own files only.")
    approvers: list[File] = Field(
        default=[], description="Files of `ssh-keygen -Y` allowed signers; with them, switch-over needs a signature."
    )


class BandwidthShape(Mapping):
    """A limit that holds during hours of some days, which belong to the day on which they begin; the lowest counts."""

    days: Days = Field(description="Days: `sat`, `mon-fri`, or a list of these.")
    hours: Hours = Field(description="From and to, `08:00-19:00`, in the plan's time zone.")
    limit: Rate = Field(description="The most that each endpoint reached by SSH gets, such as `20 MB/s`.")


class CalendarShape(Mapping):
    """What the days and hours of the year allow."""

    closed: list[Date] = Field(
        default=[],
        description="Days without cutover: no hours begin on them, and hours of the evening before end at midnight.",
    )
    bandwidth: list[BandwidthShape] = Field(default=[], description="The bandwidth timetable.")


class WindowShape(Mapping):
    """The days of a wave."""

    first: Date | None = Field(default=None, alias="from", description="The first day.")
    last: Date | None = Field(
        default=None,
        alias="to",
        description="The last day, which still belongs to the window, with the hours that begin on it.",
    )

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        if self.first and self.last and self.last < self.first:
            raise wrong(f"ends on `{self.last}`, before it begins on `{self.first}`", "`to` is the last day of it")
        return self


class CutoverShape(Mapping):
    """When applications of a wave may be frozen and switched over."""

    days: Days = Field(description="The days on which the hours begin: `sat`, `mon-fri`, or a list of these.")
    hours: Hours = Field(description="From and to, `22:00-06:00`, in the plan's time zone; past midnight if need be.")


class DatasetShape(Mapping):
    """A tree of files that must arrive complete."""

    name: Name = Field(description="Name, unique within the application.")
    source: Location = Field(description="Where the tree is read: `endpoint:/path`.")
    target: Location = Field(description="Where it arrives: `endpoint:/path`. Its parent folder must exist.")
    exclude: list[Rule] = Field(default=[], description="gitignore rules; what they leave out is counted and shown.")
    keep: Keep | None = Field(
        default=None,
        description="What must be preserved besides content; without it, mode and times, owner when root, and whatever "
        "the lane can carry. `setid` only when it stands here.",
    )
    symlinks: Literal["keep", "refuse"] = Field(
        default="keep", description="Symbolic links: keep their text, or refuse them."
    )
    proof: Literal["stat", "hash"] | None = Field(
        default=None,
        description="How the source is compared before the switch: by size and times, or by reading every byte again. "
        "Without it, what the lane calls for.",
    )
    max_deletions: Share = Field(default=0.5, description="Share of the target's items that one final sync may delete.")


class SoakShape(Mapping):
    """The observed time after the switch; the parts add up."""

    days: Amount = Field(default=0, description="Days.")
    hours: Amount = Field(default=0, description="Hours.")
    minutes: Amount = Field(default=0, description="Minutes.")
    seconds: Duration = Field(default=0.0, description="Seconds, or any duration.")

    @property
    def total_seconds(self) -> float:
        """All parts together."""
        return self.days * 86400.0 + self.hours * 3600 + self.minutes * 60 + self.seconds

    @model_serializer
    def _as_seconds(self) -> float:
        return self.total_seconds


class FallBackShape(Mapping):
    """What falling back may do after the switch."""

    source_write: Flag = Field(
        default=False, description="`true`: what users wrote at the target may be copied to the source."
    )
    endpoint: Name | None = Field(
        default=None,
        description="Endpoint by which the source is written, with other credentials than it is read; "
        "without it, the source's own.",
    )
    freeze: TargetFreezeShape | None = Field(
        default=None, description="How writes at the target are stopped before the last copy back."
    )


class ApplicationShape(Mapping):
    """What people recognise and what is switched over as one."""

    name: Name = Field(description="Name, unique within the plan.")
    owner: Name = Field(default="default", description="The owner to whom it belongs.")
    needs: Names = Field(default=[], description="Applications, in this wave or an earlier one, switched over before.")
    datasets: list[DatasetShape] = Field(default=[], description="The trees that move.")
    freeze: FreezeShape | None = Field(
        default=None, description="How writes at the source are stopped; without it, the source is declared static."
    )
    checks: list[CheckShape] = Field(default=[], description="Smoke tests before and after the switch.")
    switch: list[SwitchShape] = Field(default=[], description="What sends users to the target, in order.")
    soak: Annotated[SoakShape, Short("seconds")] = Field(
        default=SoakShape(), description="Time observed after the switch, before `accept`: `48h`, or a mapping."
    )
    verify_under_freeze: Literal["all", "changed"] = Field(
        default="all", description="`changed` trusts a verification before the freeze where nothing moved since."
    )
    approval: Literal["standing", "exact"] = Field(
        default="standing", description="`exact` binds the approval of switch-over to what exactly was copied."
    )
    two_person: Flag = Field(default=False, description="`true`: two people must approve the switch-over.")
    on_failure: Literal["hold", "go_back"] = Field(
        default="hold", description="What failed checks after the switch lead to: wait for people, or go back."
    )
    gates: list[Name] = Field(default=[], description="Gates added before switch-over; none can be removed.")
    waive: list[WaiverShape] = Field(
        default=[],
        description="Items that may stay behind unverified, each by name and for a reason; the switch-over then needs "
        "an approval by `migrator approve`.",
    )
    accept_findings: list[AcceptedShape] = Field(
        default=[], description="Preflight warnings about it that are known and accepted."
    )
    fall_back: FallBackShape = Field(default=FallBackShape(), description="What falling back may do.")


class WaveShape(Mapping):
    """What moves in one calendar window."""

    name: Name = Field(description="Name, unique within the plan.")
    window: WindowShape | None = Field(default=None, description="The days of the wave; without it, always open.")
    cutover: CutoverShape | None = Field(
        default=None, description="When its applications may be frozen and switched over; without it, always."
    )
    needs: Names = Field(default=[], description="Waves that come first.")
    parallel: Parallel = Field(default=4, description="Applications side by side.")
    accept_findings: list[AcceptedShape] = Field(
        default=[], description="Preflight warnings about its applications that are known and accepted."
    )
    applications: list[ApplicationShape] = Field(default=[], description="What moves.")


class PlanShape(Mapping):
    """A migration plan: what moves from where to where, in which wave, frozen and switched over how."""

    migration: MigrationName = Field(description="Name of the migration; names the folder below the state.")
    timezone: Timezone = Field(default="UTC", description="Time zone of all days and hours, such as `Europe/Paris`.")
    owners: dict[Name, OwnerShape] = Field(default={}, description="Organisations by key; `default` is always there.")
    endpoints: dict[Name, EndpointShape] = Field(description="Hosts by name: the outgoing provider's and the new ones.")
    calendar: CalendarShape = Field(default=CalendarShape(), description="Days and hours that count for all waves.")
    accept_findings: list[AcceptedShape] = Field(
        default=[], description="Preflight warnings that are known and accepted wherever they are told."
    )
    waves: list[WaveShape] = Field(default=[], description="The waves, in order.")
