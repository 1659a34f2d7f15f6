"""All pages of the city's HTTP interface: what anybody may read, and what people may do whom the gate lets pass."""

import asyncio
from functools import partial
from pathlib import Path
from typing import Protocol

from fastapi import FastAPI

from service.addresses import UNIX
from service.http_errors import teach
from service.http_hosts import check_hosts
from service.http_limits import limit

from ..alarms.api import add_alarm_pages
from ..audit.api import add_audit_pages
from ..backup.restoring import Restoring
from ..city import City
from ..config import AggregatorConfig
from ..keys.api import add_key_pages
from ..keys.desk import KeyDesk
from ..ledger.api import add_ledger_pages
from ..link.zap import Gatekeeper
from ..notify.api import add_notice_pages
from ..operators import gate as door
from ..operators.api import Desk, add_operator_pages
from ..operators.people import Zones
from ..operators.store import OperatorStore
from ..rebuild import rehearse
from ..reloading import Reloads
from ..reports.api import add_report_pages
from ..reports.desk import ReportDesk
from ..store.store import Store, Writes
from ..tasks.api import add_task_pages
from ..tasks.dispatch import Now
from .api import add_restore, make_api
from .processes import add_process_pages


class Parts(Protocol):
    """What pages need of a running city; a restore replaces `city` and `store`."""

    city: City
    store: Store
    gate: Gatekeeper
    desk: KeyDesk
    reloads: Reloads

    quiet: asyncio.Lock

    def now(self) -> Now:
        """Return the moment."""

    async def change_over(self) -> Path | None:
        """Let a restore that is ready take the place of the data; return where that is now."""


def make_pages(parts: Parts, config: AggregatorConfig) -> FastAPI:
    """Return the application that listens at `[city] api`. Raises: KeyFileError."""
    audit = parts.desk.store.audit
    operators = OperatorStore(config, audit)
    api = make_api(lambda: parts.city, parts.now, lambda: parts.gate.alive, parts.desk.reasons)
    gate = make_gate(parts, config, operators)
    teach(api)
    door.install(api, gate)
    limit(api, config.city.api, gate.refused)
    check_hosts(api, config.city, gate.refused)
    add_operator_pages(api, Desk(operators))
    add_key_pages(api, parts.desk)
    add_audit_pages(api, config, lambda: parts.city.sessions.by_edge.values())
    add_ledger_pages(api, lambda: (parts.city, parts.store), parts.now, audit.note)
    add_alarm_pages(api, parts, audit.write)
    add_task_pages(api, lambda: parts.city, parts.now, audit.note, lambda one: parts.store.commit(Writes(tasks=[one])))
    add_notice_pages(api, parts, audit.note)
    add_report_pages(api, ReportDesk(parts, config.reports, audit.note))
    add_restore(api, _restoring(parts, config), audit.note)
    add_process_pages(api, lambda: parts.city, lambda who: parts.reloads.ask(who))
    return api


def make_gate(parts: Parts, config: AggregatorConfig, operators: OperatorStore) -> door.Gate:
    """Return the gate before the pages."""

    def refused(code: str, who: str, text: str) -> None:
        parts.city.refused.note(code, who, text, parts.now().us)

    return door.Gate(
        person_of=operators.person,
        person_named=operators.named,
        zones=Zones({name: tuple(patterns) for name, patterns in config.zones.items()}),
        owner_on_socket=config.city.api.startswith(UNIX) and not config.operators.owner_needs_login,
        reads_need_login=config.operators.reads_need_login,
        refused=refused,
    )


def _restoring(parts: Parts, config: AggregatorConfig) -> Restoring:
    def later() -> int:
        return max(parts.city.later_epochs.values(), default=0)

    return Restoring(config.city.data_dir, parts.change_over, parts.quiet, partial(rehearse, config), later)
