"""The shop's processes as data: what runs, in which version, and whom it needs to know."""

from __future__ import annotations

import json
import socket
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Process:
    """One process.

    Attributes:
        instance: its own name among the processes of the same service
        calls: the services whose addresses it gets
        protocol: how it exports its spans
        through: the relay that all callers of this service go through
        faults: what it was built with
    """

    name: str
    version: str
    calls: tuple[str, ...] = ()
    protocol: str = "http/protobuf"
    serves: str = "http"
    semconv: str = "http,database"
    instance: str = ""
    through: str = ""
    faults: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return self.instance or self.name


_PAYMENT = Process("payment", "0.9.7", semconv="")  # still speaks the old attribute names

PROCESSES = (
    Process("inventory", "3.0.1", serves="grpc", protocol="grpc"),
    Process("auth", "1.0.4", ("frontend",), through="auth-link"),
    Process("auth-link", "1.0.0", ("auth",), serves="tcp"),
    _PAYMENT,
    replace(_PAYMENT, instance="payment-2"),
    Process("product-api", "1.8.2", ("inventory",), protocol="grpc"),
    Process("orders", "1.2.0", ("payment", "inventory"), protocol="grpc"),
    Process("shipping", "2.2.0", serves="nothing"),
    Process("frontend", "2.1.0", ("auth", "product-api")),
    Process("gateway", "1.3.0", ("frontend", "orders")),
)


def releases() -> dict[str, dict[str, dict[str, Any]]]:
    """By service and version: the versions that can be released into the shop."""
    return tomllib.loads((Path(__file__).parent / "releases.toml").read_text())


def release(service: str, version: str) -> Process:
    """A version of a service as a process beside the ones that run."""
    running = next(process for process in PROCESSES if process.name == service)
    return replace(
        running,
        version=version,
        instance=f"{service}-{version}",
        faults=releases().get(service, {}).get(version, {}).get("faults", {}),
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


def environment(
    process: Process, ports: Mapping[str, int], grpc_endpoint: str, http_endpoint: str, control: Path
) -> dict[str, str]:
    """The variables that a process on this machine needs beside its own environment."""
    attributes = {
        "service.version": process.version,
        "service.namespace": "shop",
        "service.instance.id": process.id,
        "deployment.environment.name": "demo",
    }
    return {
        "HOST": "127.0.0.1",
        "PORT": str(ports[process.id]),
        "SHOP_CONTROL": str(control),
        "SHOP_INSTANCE": process.id,
        "SHOP_VERSION": process.version,
        "SHOP_FAULTS": json.dumps(dict(process.faults)),
        "OTEL_SERVICE_NAME": process.name,
        "OTEL_RESOURCE_ATTRIBUTES": ",".join(f"{key}={value}" for key, value in attributes.items()),
        "OTEL_EXPORTER_OTLP_PROTOCOL": process.protocol,
        "OTEL_EXPORTER_OTLP_ENDPOINT": grpc_endpoint if process.protocol == "grpc" else http_endpoint,
        "OTEL_EXPORTER_OTLP_INSECURE": "true",
        "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": "otel,host",  # host.name: whose clock a span has
        "OTEL_BSP_SCHEDULE_DELAY": "500",
        "OTEL_SEMCONV_STABILITY_OPT_IN": process.semconv,
        "PYTHONUNBUFFERED": "1",
    } | _addresses(process, ports)


def _addresses(process: Process, ports: Mapping[str, int]) -> dict[str, str]:
    found = {}
    for name in process.calls:
        others = [other for other in PROCESSES if other.name == name]
        through = others[0].through
        ids: Iterable[str] = [through] if through and through != process.name else [other.id for other in others]
        addresses = [f"127.0.0.1:{ports[id_]}" for id_ in ids]
        key = name.upper().replace("-", "_")
        if others[0].serves == "http" and process.serves != "tcp":
            found[f"{key}_URL"] = ",".join(f"http://{address}" for address in addresses)
        else:
            found[f"{key}_ADDRESS"] = addresses[0]
    return found
