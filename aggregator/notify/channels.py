"""`[notify.NAME]` of aggregator.toml: a way to people, and what each message on it says of its sender."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from processes.errors import ConfigError
from processes.instance import Instance
from service.addresses import is_loopback
from service.sections import Section

WAYS = ("webhook", "file")


class NotifySection(Section):
    """Where CAP messages go: a `webhook` that gets them by POST, a folder `file` that gets a file for each, or both.

    `ack_within_s`: somebody has to answer in time, else it is an incident; 0: no answer is expected.
    """

    webhook: str = Field(default="", pattern=r"^(https?://[^\s]+)?$")
    bearer_file: Path | None = None
    file: Path | None = None
    sender: str = Field(pattern=r"^[^\s,<&]+$", max_length=200, description="unique in the world: a mail address")
    sender_name: str = Field(default="", max_length=200)
    status: Literal["Actual", "Exercise", "System", "Test"] = "Actual"
    scope: Literal["Public", "Restricted", "Private"] = "Restricted"
    restriction: str = Field(default="", max_length=200)
    addresses: list[str] = Field(default_factory=list, max_length=100)
    language: str = Field(default="en-GB", pattern=r"^[a-zA-Z]{1,8}(-[a-zA-Z0-9]{1,8})*$")
    ack_within_s: float = Field(default=0.0, ge=0, le=86_400)

    @model_validator(mode="after")
    def _whole(self) -> "NotifySection":
        if not self.webhook and self.file is None:
            raise ValueError("leads nowhere: give webhook = URL, file = FOLDER, or both")
        if self.scope == "Restricted" and not self.restriction:
            raise ValueError("scope Restricted needs `restriction`: who may read it, in words")
        if self.scope == "Private" and not self.addresses:
            raise ValueError("scope Private needs `addresses`")
        url = urlsplit(self.webhook)
        if self.bearer_file and url.scheme == "http" and not is_loopback(url.hostname or ""):
            raise ValueError(f"{self.webhook} would get the bearer token in clear: use https")
        return self

    @property
    def ways(self) -> tuple[str, ...]:
        """How a message goes out: webhook, file."""
        return tuple(way for way in WAYS if getattr(self, way))


def check_channels(instances: Iterable[Instance], channels: Mapping[str, NotifySection]) -> None:
    """Raises: ConfigError if a process tells people over a channel that is not there."""
    for instance in instances:
        for name, row in instance.config.people.items():
            if row.notify not in channels:
                known = ", ".join(sorted(channels)) or "none"
                text = f"responds.{name}: aggregator.toml has no [notify.{row.notify}]; there are: {known}"
                raise ConfigError(f"{instance.name}: {text}", ("responds", name, "notify"))
