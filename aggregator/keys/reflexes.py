"""The keys under which nodes sign what they do by themselves: named over the link, and what is signed with them."""

from protocol import tasks
from protocol.city_link import EdgeHello, TaskReport
from service.fingerprint import fingerprint
from service.refusals import Refusals

from ..errors import KeyringError
from ..tasks.book import UNSIGNED
from .keyring import Keyring


def take(ring: Keyring, key: str, hello: EdgeHello, refused: Refusals, now_us: int) -> None:
    """Note the reflex key that a node names over the link of the key with this fingerprint, unless it named another."""
    try:
        ring.vouch(key, hello.reflex)
    except KeyringError as error:
        refused.note(error.reason, hello.edge, str(error), now_us)


def signer(ring: Keyring, key: str, edge: str, report: TaskReport, refused: Refusals, now_us: int) -> str:
    """Return the fingerprint of the key of a node that signed a task it gave itself, UNSIGNED if none did.

    A node that has a key and does not sign is counted as refused; what it did is believed all the same.
    """
    keys = ring.reflex_keys(key)
    for public in keys:
        if tasks.verify_reflex(public, report.task, report.signature):
            return fingerprint(public)
    if keys:
        text = f"a task that {edge} gave itself does not carry the signature of its key"
        refused.note("unsigned", edge, text, now_us)
    return UNSIGNED
