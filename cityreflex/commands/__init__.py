"""The subcommands of `city`, one file each."""

from cityreflex.commands.actuator import actuator
from cityreflex.commands.aggregator import aggregator
from cityreflex.commands.alarm import alarm
from cityreflex.commands.audit import audit
from cityreflex.commands.backup import backup
from cityreflex.commands.config import config
from cityreflex.commands.demo import demo
from cityreflex.commands.edge import edge
from cityreflex.commands.incident import incident
from cityreflex.commands.keys import keys
from cityreflex.commands.ledger import ledger
from cityreflex.commands.login import login, logout, whoami
from cityreflex.commands.operator import operator
from cityreflex.commands.process import process
from cityreflex.commands.replay import replay
from cityreflex.commands.report import report
from cityreflex.commands.restore import restore
from cityreflex.commands.signer import signer
from cityreflex.commands.sim import sim
from cityreflex.commands.status import status
from cityreflex.commands.task import task

COMMANDS = (
    demo, sim, aggregator, edge, status, alarm, incident, report, task, actuator, ledger, backup, restore, replay, keys,
    config, login, logout, whoami, operator, audit, process, signer,
)  # fmt: skip
