"""`tracelab`: the commands by name, each loaded when it is called, so that `--help` is there at once."""

from __future__ import annotations

import importlib
import importlib.abc
import os
import sys

import click

from tracelab.errors import TracelabError

_COMMANDS = {
    "demo": ("tracelab.commands.demo", "Run the demo shop, collector and dashboard; see its traces."),
    "up": ("tracelab.commands.up", "Run collector and dashboard for your own services."),
    "collect": ("tracelab.commands.collect", "Receive OTLP over gRPC and HTTP into the lake."),
    "dashboard": ("tracelab.commands.dashboard", "Show the lake in the browser."),
    "import": ("tracelab.commands.import_", "Read trace files (OTLP, Jaeger, Zipkin) into the lake."),
    "export": ("tracelab.commands.export", "Write traces as OTLP JSON or Jaeger JSON."),
    "traces": ("tracelab.commands.traces", "List and search traces."),
    "trace": ("tracelab.commands.trace", "Show one trace as a tree with its critical path."),
    "critical-path": ("tracelab.commands.critical_path", "What held each request up, moment by moment."),
    "profile": ("tracelab.commands.profile", "The critical paths of many requests in one: flame graph data."),
    "topology": ("tracelab.commands.topology", "Services, what they call, and how well that goes."),
    "explain-slow": ("tracelab.commands.explain_slow", "What the p99 is made of, and what sets slow requests apart."),
    "explain-edge": ("tracelab.commands.explain_edge", "Why an edge is missing, or shows one side only."),
    "what-if": ("tracelab.commands.what_if", "p50 and p99 if something were faster, gone, or called at once."),
    "findings": ("tracelab.commands.findings", "N+1 queries, retries, time-outs …: where, what it costs, what to do."),
    "completion-path": ("tracelab.commands.completion_path", "To the last effect of a request, across queues."),
    "calls-per-trace": ("tracelab.commands.calls_per_trace", "How often one trace uses each edge."),
    "structure": ("tracelab.commands.structure", "Cycles, single points of failure, what is hurt if one dies."),
    "compare": ("tracelab.commands.compare", "What changed between two windows, versions or files, and where."),
    "diagnose": ("tracelab.commands.diagnose", "What is wrong, where, since when: the most likely causes."),
    "canary": ("tracelab.commands.canary", "Release step by step, judged from traces, rolled back by itself."),
    "lab": ("tracelab.commands.lab", "Break the demo shop on purpose: faults with a known truth."),
    "lake": ("tracelab.commands.lake", "Look after the lake: info, compact, path."),
}


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = importlib.import_module(_COMMANDS[cmd_name][0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_) for name, (_, help_) in _COMMANDS.items()])


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tracelab")
def command() -> None:
    """See where requests go, what they wait for, and what fails on the way.

    \b
    tracelab demo                       a shop, its traces, a dashboard: look around
    tracelab up                         collector and dashboard for your own services
    tracelab topology --since 15m       who calls whom, how well
    tracelab critical-path trace.json   what one request waited for
    """


class _WithoutPandas(importlib.abc.MetaPathFinder):
    """As if pandas were not installed.

    pyarrow imports it, where there is one, to recognise its types. No command has any of them, and the import costs
    a second and 40 MB. (The dashboard, which needs pandas, is a process of its own.)
    """

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> None:
        if fullname == "pandas":
            raise ModuleNotFoundError(fullname)


def main() -> None:
    """Run; errors that tracelab raises on purpose end in one line on standard error and their exit code."""
    sys.meta_path.insert(0, _WithoutPandas())
    try:
        command(standalone_mode=False)
    except TracelabError as error:
        click.echo(f"tracelab: {error}", err=True)
        sys.exit(error.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        sys.exit(0)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except BrokenPipeError:  # `tracelab traces | head`: the reader has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
