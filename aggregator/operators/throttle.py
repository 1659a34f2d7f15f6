"""How often a password may be tried. Sans-IO; times in boottime µs.

Wrong passwords count for the name and for the peer; right ones do not. A flood of wrong ones under a name must not
lock its owner out, and one from many peers not everybody: who logged in before from the same peer, and whoever comes
over the unix socket, is counted apart, under a pair of name and peer that strangers cannot use up.
"""

from collections import OrderedDict

from service.rates import Rates

BURST, PER_S = 5, 1 / 30
PEER_BURST, PEER_PER_S = 20, 1 / 10
MAX_KNOWN = 1024


class Throttle:
    """Counts tries by name, by peer, and by pairs that are known."""

    def __init__(self) -> None:
        self._names, self._peers = Rates(PER_S, BURST), Rates(PEER_PER_S, PEER_BURST)
        self._pairs = Rates(PER_S, BURST)
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()

    def knows(self, name: str, peer: str) -> bool:
        """Whether this name logged in from there before."""
        return (name, peer) in self._known

    def ask(self, name: str, peer: str, now_us: int) -> float:
        """Return 0 and count a try, or how many seconds to wait."""
        if self.knows(name, peer):
            return self._pairs.take(f"{name} {peer}", now_us)
        wait_s = self._peers.take(peer, now_us)
        return wait_s or self._names.take(name, now_us)

    def right(self, name: str, peer: str, now_us: int) -> None:
        """The password was right: do not count the try, and know the pair from now on."""
        if self.knows(name, peer):
            self._pairs.give_back(f"{name} {peer}", now_us)
        else:
            self._peers.give_back(peer, now_us)
            self._names.give_back(name, now_us)
        self._known[name, peer] = None
        self._known.move_to_end((name, peer))
        while len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)
