"""`tracelab dashboard`."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path

import click

from tracelab.commands.options import lake_option, warn_of_public
from tracelab.errors import UsageError

TRACE_ID = "{trace_id}"
"""Where in the address of another tool the id of a trace belongs."""


def dashboard_command(host: str, port: int) -> list[str]:
    """The command that serves the dashboard; the lake is said by TRACELAB_LAKE."""
    spec = importlib.util.find_spec("dashboards")
    if spec is None or spec.origin is None:
        raise UsageError("the package `dashboards` is not installed; install tracelab anew")
    app = Path(spec.origin).with_name("app.py")
    options = {
        "server.address": host,
        "server.port": str(port),
        "server.headless": "true",
        "server.fileWatcherType": "none",
        "server.showEmailPrompt": "false",
        "browser.gatherUsageStats": "false",
        "theme.light.primaryColor": "#2f62b5",
        "theme.dark.primaryColor": "#7aa7f0",
        "client.toolbarMode": "minimal",
        "client.showSidebarNavigation": "false",
    }
    flags = [f"--{name}={value}" for name, value in options.items()]
    return [sys.executable, "-m", "streamlit", "run", str(app), *flags]


def _other_tools(_context: click.Context, _option: click.Parameter, said: tuple[str, ...]) -> dict[str, str]:
    """`NAME=URL` each, as a mapping; UsageError where a URL is none, or has no place for the trace's id."""
    found = {}
    for text in said:
        name, _, url = text.partition("=")
        if not name or not url.startswith(("http://", "https://")) or TRACE_ID not in url:
            raise UsageError(f"--open-in {text}: say NAME=URL, like Jaeger=http://localhost:16686/trace/{TRACE_ID}")
        found[name] = url
    return found


@click.command("dashboard")
@lake_option
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=int, default=8501, show_default=True, help="Port of the dashboard.")
@click.option(
    "--collector",
    default="http://localhost:4318",
    show_default=True,
    envvar="TRACELAB_COLLECTOR",
    help="Where a collector answers over HTTP: its own figures are shown. [env TRACELAB_COLLECTOR]",
)
@click.option(
    "--open-in",
    "other_tools",
    multiple=True,
    callback=_other_tools,
    metavar="NAME=URL",
    help=f"A link from each trace to another tool; {TRACE_ID} in the URL stands for its id.",
)
def command(lake_path: Path | None, host: str, port: int, collector: str, other_tools: dict[str, str]) -> None:
    """Show the lake in the browser: topology, traces, one request's journey.

    It reads the lake's files, so it runs beside any collector, or without one.

    \b
    tracelab dashboard --lake ./lake
    tracelab dashboard --open-in 'Jaeger=http://localhost:16686/trace/{trace_id}'
    """
    from collectors.binding import bind
    from collectors.settings import is_loopback
    from tracelab.commands.supervise import SMALL
    from tracelab.lake import Lake, default_lake_path

    lake = Lake.create(lake_path or default_lake_path())
    bind(host, port, "--port").close()
    if not is_loopback(host):
        warn_of_public(host, "put it behind a proxy with sign-in, or configure OIDC (docs/how-it-works/dashboard.md)")
    click.echo(f"dashboard http://{host}:{port}   lake {lake.path}")
    arguments = dashboard_command(host, port)
    environment = {
        **SMALL,
        "TRACELAB_LAKE": str(lake.path.resolve()),
        "TRACELAB_COLLECTOR": collector.rstrip("/"),
        "TRACELAB_OPEN_IN": json.dumps(other_tools),
    }
    os.execve(arguments[0], arguments, {**os.environ, **environment})  # noqa: S606
