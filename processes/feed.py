"""From packed records of a Thing to series per datastream, with each sample's sigma."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from processes.contract import F64, I64, U8
from protocol.city_link import Clock
from protocol.columns import decode, stamp_us
from protocol.manifest import ChannelInfo, Manifest


class Arrived(NamedTuple):
    """Samples of one datastream, arrays (n,), as `Engine.arrive` takes them, with the stamps they came from."""

    datastream: str
    t_utc_us: I64
    value: F64
    sigma: F64
    quality: U8
    stamp_us: I64

    def only(self, keep: npt.NDArray[Any]) -> "Arrived":
        """Return the samples that a mask (n,) or places (m,) pick."""
        columns = self.t_utc_us[keep], self.value[keep], self.sigma[keep], self.quality[keep], self.stamp_us[keep]
        return Arrived(self.datastream, *columns)


class Feed:
    """Splits batches by channel. A channel's sigma is its `sigma_of` partner's value of the same stamp, else
    the manifest's constant. Samples whose clock was not synchronised have no event time: counted, not used."""

    def __init__(self) -> None:
        self.unsynced_batches = 0
        self.unknown_samples = 0

    def from_records(self, thing: str, manifest: Manifest, clock: Clock, records: bytes) -> list[Arrived]:
        """Return one Arrived per channel in the batch, sigma channels joined to what they describe."""
        if not clock.synced:
            self.unsynced_batches += 1
            return []
        stamps = stamp_us(decode(records))
        return self.placed(thing, manifest, clock.to_utc(stamps), records)

    def placed(self, thing: str, manifest: Manifest, times: I64, records: bytes) -> list[Arrived]:
        """Return the same of records whose event times (n,) are given."""
        rows = decode(records)
        stamps, numbers = stamp_us(rows), rows["channel"]
        partners = {c.sigma_of: c.index for c in manifest.channels if c.sigma_of}
        found: list[Arrived] = []
        known = 0
        for channel in manifest.channels:
            mine = numbers == channel.index
            known += int(mine.sum())
            if channel.sigma_of or not mine.any():
                continue
            partner = numbers == partners.get(channel.name, -1)
            value = rows["value"][mine].astype(np.float64)
            sigma = _sigma(channel, stamps[mine], stamps[partner], rows["value"][partner])
            name, quality = f"{thing}/{channel.name}", rows["quality"][mine].copy()
            found.append(Arrived(name, times[mine], value, sigma, quality, stamps[mine]))
        self.unknown_samples += rows.size - known
        return found


def _sigma(channel: ChannelInfo, stamps: I64, partner_stamps: I64, partner_values: F64) -> F64:
    sigma = np.full(stamps.size, channel.sigma if channel.sigma > 0 else np.nan, np.float64)
    if partner_stamps.size:
        order = np.argsort(partner_stamps, kind="stable")
        at = np.minimum(np.searchsorted(partner_stamps[order], stamps), order.size - 1)
        joined = partner_stamps[order][at] == stamps
        sigma[joined] = partner_values[order][at][joined]
    return sigma
