"""Sections that the configuration files of our services share."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from protocol.city_clock import CityClock
from service.keys import is_credential

from .addresses import UNIX, is_loopback
from .host_clock import HostClock, Look
from .host_time import look

Identifier = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]


class Section(BaseModel):
    """A table of a configuration file: no unknown keys, paths relative to the file (context `folder`)."""

    model_config = ConfigDict(extra="forbid")

    @field_validator("*", mode="after")
    @classmethod
    def _resolve(cls, value: object, info: ValidationInfo) -> object:
        folder = (info.context or {}).get("folder")
        if folder is None:
            return value
        if isinstance(value, Path):
            return value if is_credential(value) else Path(folder) / value
        if isinstance(value, list):
            return [Path(folder) / item if isinstance(item, Path) else item for item in value]
        return value


class ServiceSection(Section):
    """Who a service is, where it keeps its data, where its HTTP interface listens.

    Beyond this machine it listens with TLS only (`api_cert`, `api_key`: PEM), unless `api_without_tls` says that
    whoever is on the way may read and change everything. `api_behind_proxy`: a reverse proxy on this machine tells
    in X-Forwarded-For who asks; without it nobody is believed.
    """

    id: Identifier
    data_dir: Path
    api_cert: Path | None = None
    api_key: Path | None = None
    api_without_tls: bool = False
    api_behind_proxy: bool = False
    api: str = Field(
        default="unix:api.sock", validate_default=True, description="unix:PATH (relative to the file) or HOST:PORT"
    )

    @field_validator("api")
    @classmethod
    def _check_api(cls, value: str, info: ValidationInfo) -> str:
        if value.startswith(UNIX):
            if info.data.get("api_behind_proxy"):
                raise ValueError(
                    f"found {value!r} and api_behind_proxy: who comes through the proxy would be the socket's owner, "
                    "who may do everything; let it listen on 127.0.0.1:PORT"
                )
            return value
        host, _, port = value.rpartition(":")
        if not host or not port.isdigit() or int(port) > 65_535:
            raise ValueError(f"found {value!r}; expected unix:PATH or HOST:PORT, such as 127.0.0.1:8443")
        given = info.data.get("api_cert"), info.data.get("api_key")
        if (given[0] is None) != (given[1] is None):
            raise ValueError("api_cert and api_key go together: give both or none")
        if given[0] is None and not is_loopback(host) and not info.data.get("api_without_tls"):
            raise ValueError(
                f"found {value!r}, which other machines reach, and no TLS: passwords and tokens would go in clear; "
                "give api_cert and api_key, or 127.0.0.1 or a unix socket, or say api_without_tls = true"
            )
        return value

    @field_validator("api")
    @classmethod
    def _resolve_api(cls, value: str, info: ValidationInfo) -> str:
        folder = (info.context or {}).get("folder")
        if folder is None or not value.startswith(UNIX):
            return value
        return f"{UNIX}{Path(folder) / value.removeprefix(UNIX)}"


class ClockSection(Section):
    """The city clock: event time = epoch_utc_us + speed * (boottime - epoch_boottime_us); absent: real UTC.

    `trust`: "kernel" believes the host's UTC while the kernel says that it is synchronised; "host" always, for a
    host whose time is kept right by other means (a virtual machine, a GPS clock).
    """

    trust: Literal["kernel", "host"] = "kernel"
    speed: float = Field(default=1.0, gt=0, le=100_000)
    epoch_boottime_us: int | None = None
    epoch_utc_us: int | None = None

    @model_validator(mode="after")
    def _both_or_none(self) -> "ClockSection":
        if (self.epoch_boottime_us is None) != (self.epoch_utc_us is None):
            raise ValueError("epoch_boottime_us and epoch_utc_us go together: give both or none")
        if self.speed != 1.0 and self.epoch_utc_us is None:
            raise ValueError("a speed other than 1 needs epoch_boottime_us and epoch_utc_us")
        return self

    def host_clock(self) -> HostClock:
        """Return the clock; without epochs it knows nothing before its first look."""
        if self.epoch_boottime_us is not None and self.epoch_utc_us is not None:
            return HostClock(CityClock(self.speed, self.epoch_boottime_us, self.epoch_utc_us))
        return HostClock()

    def look(self) -> Look:
        """Return how the clocks of this host stand now."""
        return look(trusted=self.trust == "host")


class AuditSection(Section):
    """Where the signed head of the audit log goes each minute: a folder on another disk, or of another machine."""

    witness: Path | None = None


class ProcessesSection(Section):
    """Process files to run here, and extra folders to find their templates in."""

    files: list[Path] = Field(default_factory=list)
    templates: list[Path] = Field(default_factory=list)
