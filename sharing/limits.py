"""Rate limits that remember nobody: addresses are kept in memory alone, and as keyed hashes."""

import hashlib
import ipaddress
import secrets
from collections import OrderedDict
from collections.abc import Callable
from time import monotonic

MOST_CLIENTS = 10_000  # remembered at once; the one that was quiet for longest is forgotten first
IPV6_SITE = 64  # bits: one household has as many addresses as it likes below that


class Buckets:
    """One token bucket a client: it holds `burst` tokens and gets `rate` new ones a second."""

    def __init__(self, burst: float, rate: float, clock: Callable[[], float] = monotonic):
        self.burst, self.rate, self.clock = burst, rate, clock
        self._key = secrets.token_bytes(16)
        self._levels: OrderedDict[bytes, tuple[float, float]] = OrderedDict()

    def take(self, client: str, tokens: float = 1) -> float:
        """Take tokens: 0 if there were enough, else the seconds until there will be."""
        now, name = self.clock(), self._name(client)
        level, since = self._levels.pop(name, (self.burst, now))
        level = min(self.burst, level + (now - since) * self.rate)
        enough = level >= tokens
        self._levels[name] = (level - tokens * enough, now)
        if len(self._levels) > MOST_CLIENTS:
            self._levels.popitem(last=False)
        return 0 if enough else (tokens - level) / self.rate

    def _name(self, client: str) -> bytes:
        try:
            address = ipaddress.ip_address(client)
            if address.version == 6:
                client = str(ipaddress.ip_network((address, IPV6_SITE), strict=False))
        except ValueError:
            pass  # no address, e.g. behind a Unix socket: all of those share one bucket
        return hashlib.blake2b(client.encode(), key=self._key, digest_size=16).digest()
