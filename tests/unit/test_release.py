"""Verdicts on releases, plans and the documents for a mesh."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from tracelab.analysis.release import Limits, Served, judge
from tracelab.errors import InputError, UsageError
from tracelab.release.plan import Step, read_plan
from tracelab.release.split import mesh_yaml

ROUTES = ("GET /a", "GET /b")
DNS_LABEL = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
SCHEMAS = Path(__file__).parent.parent / "schemas"


def closed(schema: Any) -> Any:
    """A resource definition's schema that takes no unknown field: a cluster would drop it without a word."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    parts = {key: closed(part) for key, part in schema.items()}
    return {"additionalProperties": False, **parts} if isinstance(parts.get("properties"), dict) else parts


def trouble(document: dict[str, Any]) -> list[str]:
    """What the published definition of its kind has against a document; what is about any kind is Kubernetes' own."""
    schema = closed(json.loads((SCHEMAS / f"{document['kind'].lower()}.json").read_text()))
    schema["properties"] |= {
        "metadata": {"type": "object"},
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
    }
    return [error.message for error in Draft202012Validator(schema).iter_errors(document)]


@pytest.mark.parametrize("form", ["istio", "gateway-api"])
@pytest.mark.parametrize("weight", [0, 5, 33.3, 100])
def test_documents_are_what_the_published_schemas_ask_for(form: str, weight: float) -> None:
    documents = list(yaml.safe_load_all(mesh_yaml(form, "product-api", "1.8.2", "1.9.0-RC", weight, "shop")))
    assert [trouble(document) for document in documents] == [[] for _ in documents]


def test_the_published_schemas_find_what_is_wrong() -> None:
    service, rule = yaml.safe_load_all(mesh_yaml("istio", "product-api", "1.8.2", "1.9.0", 20))
    service["spec"]["http"][0]["route"][0]["weight"] = "80"
    del rule["spec"]["subsets"][0]["name"]
    (route,) = yaml.safe_load_all(mesh_yaml("gateway-api", "product-api", "1.8.2", "1.9.0", 20))
    route["spec"]["rules"][0]["backendRefs"][0]["wieght"] = 3
    assert all(trouble(document) for document in (service, rule, route))


def served(count: int, median_ms: float = 10.0, failures: int = 0, seed: int = 0, slower_b_ms: float = 0.0) -> Served:
    chance = np.random.default_rng(seed)
    route = (np.arange(count) % 2).astype(np.int64)
    millis = median_ms * chance.lognormal(0, 0.3, count) + route * slower_b_ms
    failed = np.zeros(count, np.bool_)
    failed[:failures] = True
    return Served(ROUTES, route, (millis * 1e6).astype(np.int64), chance.permutation(failed))


def test_a_version_like_the_other_is_promoted() -> None:
    verdict = judge(served(300), served(200, seed=1))
    assert verdict.action == "promote"
    assert verdict.candidate.requests == 200


def test_too_few_requests_are_no_reason_for_anything() -> None:
    assert judge(served(300), served(10, seed=1)).action == "hold"
    assert judge(served(0), served(0)).action == "hold"


def test_more_failures_than_a_baseline_that_fails_too_are_waited_for() -> None:
    assert judge(served(200, failures=13), served(40, failures=7, seed=1)).action == "hold"
    assert judge(served(200, failures=13), served(40, failures=3, seed=1)).action == "promote"
    assert judge(served(200, failures=13), served(240, failures=60, seed=1)).action == "roll back"


def test_failures_are_a_reason() -> None:
    verdict = judge(served(300), served(100, failures=12, seed=1))
    assert verdict.action == "roll back"
    assert any("12.0 % of 100 requests fail" in reason for reason in verdict.reasons)


def test_failures_that_the_baseline_has_too_are_none() -> None:
    assert judge(served(400, failures=20), served(200, failures=10, seed=1)).action == "promote"


def test_a_doubtful_share_of_failures_holds() -> None:
    verdict = judge(served(300), served(100, failures=2, seed=1))
    assert verdict.action == "hold"


def test_one_slow_route_is_a_reason_though_the_whole_is_quick() -> None:
    verdict = judge(served(300), served(100, seed=1, slower_b_ms=40))
    assert verdict.action == "roll back"
    assert [reason.startswith("GET /b is ") for reason in verdict.reasons] == [True]


def test_a_p99_above_the_limit_is_a_reason() -> None:
    slow = served(200, seed=1)
    slow.duration_ns[:12] = 2 * 10**9
    verdict = judge(served(300), slow, Limits(slower=10.0, slower_ns=10**9))
    assert verdict.action == "roll back"
    assert any("p99" in reason for reason in verdict.reasons)


@given(st.integers(0, 2**32 - 1))
def test_the_order_of_requests_changes_nothing(seed: int) -> None:
    one, two = served(80, seed=2), served(60, failures=3, seed=3)
    order = np.random.default_rng(seed).permutation(two.size)
    mixed = Served(ROUTES, two.route[order], two.duration_ns[order], two.failed[order])
    assert judge(one, mixed) == judge(one, two)


def test_plans(tmp_path: Path) -> None:
    assert read_plan("5,20,60,100", 30) == tuple(Step(weight, 30) for weight in (5, 20, 60, 100))
    weekly = tmp_path / "weekly.toml"
    weekly.write_text('baseline_weights = [100, 95, 80, 60, 0]\nbake = "7d"\n')
    assert read_plan(str(weekly), 30) == tuple(Step(weight, 7 * 86400) for weight in (5, 20, 40, 100))
    for wrong in ("20,5", "0", "5,200", "five"):
        with pytest.raises(UsageError):
            read_plan(wrong, 30)
    with pytest.raises(InputError, match="No such file"):
        read_plan(str(tmp_path / "none.toml"), 30)
    weekly.write_text("bake = '1d'")
    with pytest.raises(InputError, match="no `weights`"):
        read_plan(str(weekly), 30)


@pytest.mark.parametrize("weight", [0, 5, 33.3, 100])
def test_istio_documents(weight: float) -> None:
    service, rule = yaml.safe_load_all(mesh_yaml("istio", "product-api", "1.8.2", "1.9.0-RC", weight, "shop"))
    assert (service["apiVersion"], service["kind"]) == ("networking.istio.io/v1", "VirtualService")
    assert service["metadata"] == {"name": "product-api", "namespace": "shop"} == rule["metadata"]
    routes = service["spec"]["http"][0]["route"]
    weights = [route["weight"] for route in routes]
    assert sum(weights) == 100
    assert all(isinstance(part, int) and 0 <= part <= 100 for part in weights)
    subsets = {subset["name"]: subset["labels"]["version"] for subset in rule["spec"]["subsets"]}
    assert {route["destination"]["subset"] for route in routes} == set(subsets)
    assert set(subsets.values()) == {"1.8.2", "1.9.0-RC"}
    assert all(re.match(DNS_LABEL, name) for name in subsets)


def test_gateway_api_documents() -> None:
    (route,) = yaml.safe_load_all(mesh_yaml("gateway-api", "product-api", "1.8.2", "1.9.0", 20))
    assert (route["apiVersion"], route["kind"]) == ("gateway.networking.k8s.io/v1", "HTTPRoute")
    assert route["spec"]["parentRefs"][0]["kind"] == "Service"
    backends = route["spec"]["rules"][0]["backendRefs"]
    assert [(backend["name"], backend["weight"]) for backend in backends] == [
        ("product-api-v1-8-2", 80),
        ("product-api-v1-9-0", 20),
    ]
    assert all(1 <= backend["port"] <= 65535 and 0 <= backend["weight"] <= 1_000_000 for backend in backends)
