"""What a collector is told at its start; a process of its own gets the same."""

from __future__ import annotations

import hmac
import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

from tracelab import Limits, UsageError

MAX_WAITING_BYTES = 256 * 2**20


@dataclass(frozen=True)
class Tls:
    """Files in PEM: the certificate and its key; with `client_ca` only clients with a certificate of it may send."""

    certificate: Path
    key: Path
    client_ca: Path | None = None


@dataclass(frozen=True)
class Settings:
    """Attributes:
    tokens: a client must show one of these, if there are any
    connections: open at once, per transport and process
    slow_client_s: how long a client may take to send a request over HTTP
    max_waiting_bytes: of requests that wait to be written
    max_age_ns, max_bytes: what of the lake is kept
    own_traces: the fraction of requests of which the collector writes a span of its own
    """

    lake_path: Path
    host: str = "127.0.0.1"
    grpc_port: int = 4317
    http_port: int = 4318
    cors_origins: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    tls: Tls | None = None
    tokens: tuple[str, ...] = field(default=(), repr=False)
    connections: int = 1_000
    slow_client_s: float = 30.0
    max_waiting_bytes: int = MAX_WAITING_BYTES
    workers: int = 1
    compacts: bool = True
    max_age_ns: int | None = None
    max_bytes: int | None = None
    own_traces: float = 0.0

    def admits(self, authorization: str | None) -> bool:
        """Whether this `Authorization` header is good enough."""
        if not self.tokens:
            return True
        scheme, _, token = (authorization or "").partition(" ")
        given = token.strip().encode()
        good = [hmac.compare_digest(given, known.encode()) for known in self.tokens]
        return scheme.lower() == "bearer" and any(good)

    @property
    def is_public(self) -> bool:
        """Whether others than this machine may reach it, and nothing stops them."""
        return not is_loopback(self.host) and not self.tokens and (self.tls is None or self.tls.client_ca is None)


def is_loopback(host: str) -> bool:
    """Whether an address is this machine's alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def read_tokens(path: Path) -> tuple[str, ...]:
    """The tokens in a file, one a line; UsageError if it has none."""
    try:
        tokens = tuple(line.strip() for line in path.read_text().splitlines() if line.strip())
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from None
    if not tokens:
        raise UsageError(f"{path}: no token in it; write one a line")
    return tokens


def check_tls(tls: Tls) -> None:
    """UsageError if one of its files cannot be used."""
    import ssl

    try:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(tls.certificate, tls.key)
        if tls.client_ca is not None:
            context.load_verify_locations(tls.client_ca)
    except (OSError, ssl.SSLError) as error:
        names = ", ".join(str(path) for path in (tls.certificate, tls.key, tls.client_ca) if path is not None)
        raise UsageError(f"{names}: no certificate and key that go together: {error}") from None
