"""The shop's processes as data: what runs, in which version, and whom it needs to know."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Process:
    """One process. `calls` are the services whose addresses it gets; `protocol` is how it exports its spans."""

    name: str
    version: str
    calls: tuple[str, ...] = ()
    protocol: str = "http/protobuf"
    serves: str = "http"
    semconv: str = "http,database"


PROCESSES = (
    Process("inventory", "3.0.1", serves="grpc", protocol="grpc"),
    Process("auth", "1.0.4"),
    Process("payment", "0.9.7", semconv=""),  # not upgraded yet: still speaks the old attribute names
    Process("product-api", "1.8.2", ("inventory",), protocol="grpc"),
    Process("orders", "1.2.0", ("payment", "inventory"), protocol="grpc"),
    Process("shipping", "2.2.0", serves="nothing"),
    Process("frontend", "2.1.0", ("auth", "product-api")),
    Process("gateway", "1.3.0", ("frontend", "orders")),
)


def free_port(host: str = "127.0.0.1", wanted: int = 0) -> int:
    """The wanted port if it is free, else another one."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError(f"no free port on {host}")


def environment(process: Process, ports: Mapping[str, int], grpc_endpoint: str, http_endpoint: str) -> dict[str, str]:
    """The variables that a process on this machine needs beside its own environment."""
    attributes = {
        "service.version": process.version,
        "service.namespace": "shop",
        "deployment.environment.name": "demo",
    }
    variables = {
        "HOST": "127.0.0.1",
        "PORT": str(ports[process.name]),
        "OTEL_SERVICE_NAME": process.name,
        "OTEL_RESOURCE_ATTRIBUTES": ",".join(f"{key}={value}" for key, value in attributes.items()),
        "OTEL_EXPORTER_OTLP_PROTOCOL": process.protocol,
        "OTEL_EXPORTER_OTLP_ENDPOINT": grpc_endpoint if process.protocol == "grpc" else http_endpoint,
        "OTEL_EXPORTER_OTLP_INSECURE": "true",
        "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": "otel,host",  # host.name: whose clock a span has
        "OTEL_BSP_SCHEDULE_DELAY": "500",
        "OTEL_SEMCONV_STABILITY_OPT_IN": process.semconv,
        "PYTHONUNBUFFERED": "1",
    }
    for other in PROCESSES:
        if other.name in process.calls:
            key = other.name.upper().replace("-", "_")
            address = f"127.0.0.1:{ports[other.name]}"
            variables |= {f"{key}_URL": f"http://{address}"} if other.serves == "http" else {f"{key}_ADDRESS": address}
    return variables
