"""`tracelab canary`: releases step by step, judged from traces."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tracelab.commands.options import json_option, lake_option, print_json
from tracelab.errors import CheckError, UsageError
from tracelab.times import parse_duration_ns, time_text

if TYPE_CHECKING:
    from tracelab.release.split import Splitter
    from tracelab.shop_control import Control


@click.group("canary")
def command() -> None:
    """Release a new version step by step: traffic is split, traces are judged, a bad one is rolled back by itself.

    \b
    tracelab demo                                              in one terminal
    tracelab canary run --service product-api --candidate 1.9.1   in another
    tracelab canary versions                                   what can be released into the shop
    """


@command.command("run")
@lake_option
@click.option("--service", required=True, help="Which service.")
@click.option("--baseline", help="The version that runs. [default: the one that is there]")
@click.option("--candidate", required=True, help="The new version (service.version of its spans).")
@click.option("--plan", default="5,20,60,100", show_default=True, help="Shares in per cent, or a .toml file.")
@click.option("--bake", default="30s", show_default=True, help="How long each step takes at least.")
@click.option("--max-failures", type=float, default=1.0, show_default=True, help="Per cent of requests that may fail.")
@click.option("--max-p99", default="500ms", show_default=True, help="What the p99 may be.")
@click.option("--samples", type=click.IntRange(min=1), default=40, show_default=True, help="Requests a step needs.")
@click.option("--patience", default="10m", show_default=True, help="How long a step waits for enough requests.")
@click.option(
    "--actuator",
    type=click.Choice(["shop", "istio", "gateway-api"]),
    default="shop",
    show_default=True,
    help="Who splits the traffic: the demo shop's gateway, or YAML for a mesh.",
)
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), default=Path("mesh"), help="Folder of the YAML."
)
@click.option("--namespace", default="default", show_default=True, help="Of the YAML.")
@click.option("--apply", "apply_", help='A command that gets the YAML, such as "kubectl apply -f -".')
@json_option
def run(
    lake_path: Path | None,
    service: str,
    baseline: str | None,
    candidate: str,
    plan: str,
    bake: str,
    max_failures: float,
    max_p99: str,
    samples: int,
    patience: str,
    actuator: str,
    out: Path,
    namespace: str,
    apply_: str | None,
    as_json: bool,
) -> None:
    """Give the candidate more and more of the traffic while the traces say that it is good.

    Failures, p99 and each route's latency are compared with the baseline's at the same time, with intervals; the
    candidate is rolled back as soon as the evidence is enough. Exits 0 if it was promoted, 1 if not.

    \b
    tracelab canary run --service product-api --baseline 1.8.2 --candidate 1.9.0 --plan 5,20,60,100 --bake 30s
    tracelab canary run --service product-api --candidate 1.9.1 --json
    tracelab canary run --service api --baseline 1.0 --candidate 1.1 --actuator istio --apply "kubectl apply -f -"
    """
    from tracelab.analysis.release import Limits
    from tracelab.commands.supervise import stopping_on_signals
    from tracelab.lake import Lake, default_lake_path
    from tracelab.release.plan import read_plan
    from tracelab.release.run import Run
    from tracelab.release.split import MeshSplitter, ShopSplitter
    from tracelab.shop_control import control_of

    lake = Lake.open(lake_path or default_lake_path())
    steps = read_plan(plan, parse_duration_ns(bake) / 1e9)
    limits = Limits(failures=max_failures / 100, p99_ns=parse_duration_ns(max_p99), samples=samples)
    splitter: Splitter
    if actuator == "shop":
        control = control_of(lake.path)
        baseline, splitter = _known(control, service, baseline, candidate), ShopSplitter(control)
    elif baseline is None:
        raise UsageError("--baseline is needed with a mesh: which version runs?")
    else:
        splitter = MeshSplitter(actuator, out, namespace, tuple(shlex.split(apply_ or "")))
    tell = (lambda text: click.echo(text, err=True)) if as_json else click.echo
    going = Run(lake, splitter, service, baseline, candidate, steps, limits, parse_duration_ns(patience) / 1e9, tell)
    with stopping_on_signals():
        release = going.go()
    if as_json:
        print_json(asdict(release))
    click.echo(f"{service} {candidate}: {release.outcome}: {'; '.join(release.reasons)}", err=as_json)
    if release.outcome != "promoted":
        raise CheckError(f"{candidate} was not promoted ({release.outcome}); all traffic is back on {baseline}")


def _known(control: Control, service: str, baseline: str | None, candidate: str) -> str:
    """The version that runs in the shop; errors say what there is."""
    from demo_services.processes import releases

    instances = control.need_shop()
    released = {f"{one.service}-{one.version}" for one in instances}
    there = sorted({one.version for one in instances if one.service == service and one.name not in released})
    if not there:
        raise UsageError(
            f"no {service} in the shop; there are: {', '.join(sorted({one.service for one in instances}))}"
        )
    if baseline is not None and baseline not in there:
        raise UsageError(f"{service} {baseline} does not run; {', '.join(there)} does")
    if baseline is None and len(there) > 1:
        raise UsageError(f"--baseline: which of {', '.join(there)}?")
    known = releases().get(service, {})
    if candidate not in known and not any(one.version == candidate for one in instances if one.service == service):
        names = ", ".join(f"{name} {version}" for name, found in releases().items() for version in found)
        raise UsageError(f"the shop has no {service} {candidate} to release; it has {names}")
    return baseline or there[0]


@command.command("versions")
@json_option
def versions(as_json: bool) -> None:
    """The versions that can be released into the demo shop, good ones and bad ones."""
    from demo_services.processes import releases

    if as_json:
        print_json(releases())
        return
    for service, found in releases().items():
        for version, entry in found.items():
            click.echo(f"{service} {version:<8} {entry['says']}")


@command.command("list")
@lake_option
@json_option
def list_(lake_path: Path | None, as_json: bool) -> None:
    """Releases that were run over this lake, the latest first."""
    from tracelab.lake import Lake, default_lake_path
    from tracelab.release.run import releases

    found = releases(Lake.open(lake_path or default_lake_path()).path)
    if as_json:
        print_json({"releases": found})
        return
    for one in found:
        reasons = "; ".join(one["reasons"])
        click.echo(f"{time_text(one['started_ns'])}  {one['service']} {one['candidate']}  {one['outcome']}: {reasons}")
    if not found:
        click.echo("no release was run over this lake")


@command.command("yaml")
@click.option("--service", required=True, help="Which service.")
@click.option("--baseline", required=True, help="The version that runs.")
@click.option("--candidate", required=True, help="The new version.")
@click.option("--weight", type=click.FloatRange(0, 100), required=True, help="Per cent for the candidate.")
@click.option("--form", type=click.Choice(["istio", "gateway-api"]), default="istio", show_default=True)
@click.option("--namespace", default="default", show_default=True)
def yaml_(service: str, baseline: str, candidate: str, weight: float, form: str, namespace: str) -> None:
    """Print the documents that split the traffic in a mesh.

    \b
    tracelab canary yaml --service api --baseline 1.0 --candidate 1.1 --weight 20
    tracelab canary yaml --service api --baseline 1.0 --candidate 1.1 --weight 20 --form gateway-api
    """
    from tracelab.release.split import mesh_yaml

    click.echo(mesh_yaml(form, service, baseline, candidate, weight, namespace), nl=False)
