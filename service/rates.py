"""How often each of many may ask: a bucket of tokens for each, in bounded memory. Sans-IO; times in boottime µs."""

import ipaddress
from collections import OrderedDict

MAX_WHO = 1024


class Rates:
    """Each may ask `burst` times at once and then `per_s` times a second; who asked longest ago is forgotten first."""

    def __init__(self, per_s: float, burst: int, most: int = MAX_WHO) -> None:
        self._per_us, self._burst, self._most = per_s / 1e6, float(burst), most
        self._left: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def take(self, who: str, now_us: int) -> float:
        """Return 0 and count, or how many seconds `who` has to wait."""
        left = self._at(who, now_us)
        if left < 1.0:
            return (1.0 - left) / self._per_us / 1e6
        self._keep(who, left - 1.0, now_us)
        return 0.0

    def give_back(self, who: str, now_us: int) -> None:
        """Do not count the last time: it was in order."""
        self._keep(who, min(self._burst, self._at(who, now_us) + 1.0), now_us)

    def _at(self, who: str, now_us: int) -> float:
        left, at_us = self._left.get(who, (self._burst, now_us))
        return min(self._burst, left + (now_us - at_us) * self._per_us)

    def _keep(self, who: str, left: float, now_us: int) -> None:
        self._left[who] = left, now_us
        self._left.move_to_end(who)
        while len(self._left) > self._most:
            self._left.popitem(last=False)

    def __len__(self) -> int:
        """Return how many are remembered."""
        return len(self._left)


def peer_name(host: str) -> str:
    """Return under which name an address is counted: an IPv6 host owns its whole /64."""
    try:
        address = ipaddress.ip_address(host.split("%", maxsplit=1)[0])
    except ValueError:
        return host[:64]
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((int(address), 64), strict=False))
