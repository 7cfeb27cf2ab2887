"""Who splits the traffic: the demo shop's gateway, or a mesh that is driven by YAML."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import yaml

from tracelab.errors import TracelabError
from tracelab.shop_control import Control


class Splitter(Protocol):
    """Gives the candidate `weight` per cent of a service's traffic, and the baseline the rest."""

    def split(self, service: str, baseline: str, candidate: str, weight: float) -> None: ...

    def finish(self, service: str, baseline: str, candidate: str, promoted: bool) -> None:
        """The release is over: all traffic to one of them."""


@dataclass(frozen=True)
class ShopSplitter:
    """The demo shop: its gateway sends a user always to the same version; the candidate is started on demand."""

    control: Control

    def split(self, service: str, baseline: str, candidate: str, weight: float) -> None:
        self.control.deploy(service, candidate)
        self.control.set_split(service, {baseline: 100 - weight, candidate: weight})

    def finish(self, service: str, baseline: str, candidate: str, promoted: bool) -> None:
        if promoted:
            self.control.set_split(service, {candidate: 100})
        else:
            self.control.set_split(service, None)
            self.control.withdraw(service, candidate)


@dataclass(frozen=True)
class MeshSplitter:
    """A mesh: each split is a document, written to `folder` and, if `apply` says how, given to a command.

    The versions are subsets (Istio) or services of their own (Gateway API), named after them.
    """

    form: str
    folder: Path
    namespace: str = "default"
    apply: tuple[str, ...] = ()

    def split(self, service: str, baseline: str, candidate: str, weight: float) -> None:
        text = mesh_yaml(self.form, service, baseline, candidate, weight, self.namespace)
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / f"{service}.yaml").write_text(text)
        if self.apply:
            done = subprocess.run(self.apply, input=text, text=True, capture_output=True, check=False)
            if done.returncode:
                raise TracelabError(
                    f"{' '.join(self.apply)} ended with {done.returncode}: {done.stderr.strip()[-300:]}"
                )

    def finish(self, service: str, baseline: str, candidate: str, promoted: bool) -> None:
        self.split(service, baseline, candidate, 100 if promoted else 0)


def subset(version: str) -> str:
    """A version as a DNS label: what names of Kubernetes must be."""
    return "v" + "".join(letter if letter.isalnum() else "-" for letter in version.lower())


def mesh_yaml(form: str, service: str, baseline: str, candidate: str, weight: float, namespace: str = "default") -> str:
    """The documents that give the candidate `weight` per cent, for `istio` or `gateway-api`."""
    share = round(weight)
    build = {"istio": _istio, "gateway-api": _gateway_api}[form]
    documents = build(service, baseline, candidate, share, namespace)
    return yaml.safe_dump_all(documents, sort_keys=False)


def _istio(service: str, baseline: str, candidate: str, share: int, namespace: str) -> list[dict[str, Any]]:
    """networking.istio.io/v1: a VirtualService with weights, and a DestinationRule with the subsets."""
    about = {"name": service, "namespace": namespace}
    weights = ((baseline, 100 - share), (candidate, share))
    routes = [
        {"destination": {"host": service, "subset": subset(version)}, "weight": weight} for version, weight in weights
    ]
    subsets = [{"name": subset(version), "labels": {"version": version}} for version, _ in weights]
    return [
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": "VirtualService",
            "metadata": about,
            "spec": {"hosts": [service], "http": [{"route": routes}]},
        },
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": "DestinationRule",
            "metadata": about,
            "spec": {"host": service, "subsets": subsets},
        },
    ]


def _gateway_api(service: str, baseline: str, candidate: str, share: int, namespace: str) -> list[dict[str, Any]]:
    """gateway.networking.k8s.io/v1: an HTTPRoute of a mesh (its parent is the service), a backend for each version."""
    backends = [
        {"name": f"{service}-{subset(version)}", "port": 80, "weight": weight}
        for version, weight in ((baseline, 100 - share), (candidate, share))
    ]
    return [
        {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "HTTPRoute",
            "metadata": {"name": service, "namespace": namespace},
            "spec": {
                "parentRefs": [{"group": "", "kind": "Service", "name": service, "port": 80}],
                "rules": [{"backendRefs": backends}],
            },
        }
    ]
