"""Ports: bound here first, so that a taken one is an error in words."""

from __future__ import annotations

import socket

from tracelab import UsageError


def bind(host: str, port: int, option: str, reuse_port: bool = False) -> socket.socket:
    """A bound socket. UsageError names the port and the option that takes another one.

    With `reuse_port` other sockets may be bound to it in the same way.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if reuse_port:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        bound.bind((host, port))
    except (OSError, OverflowError) as error:
        bound.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"port {port} on {host}: {reason}; {option} takes another one") from None
    return bound
