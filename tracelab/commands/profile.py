"""`tracelab profile`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from tracelab.commands.cohorts import chosen_search, operation_option, where_option
from tracelab.commands.options import Source, print_json, reading_options
from tracelab.diagnostics import Diagnostics

if TYPE_CHECKING:
    from tracelab.analysis.profile import ProfileSums


@click.command("profile")
@reading_options
@operation_option
@where_option("--where", "Only traces with a span that has KEY=VALUE (attribute or resource).")
@click.option("--collapsed", "form", flag_value="collapsed", help="Print collapsed stacks, for flame graph tools.")
@click.option("--speedscope", "form", flag_value="speedscope", help="Print a file for speedscope.app.")
def command(src: Source, as_json: bool, operation: str | None, where: tuple[str, ...], form: str | None) -> None:
    """The critical paths of many requests in one: what people waited for, per operation, edge and call path.

    Every moment of every request belongs to one operation; the parts add up to the requests' time.

    \b
    tracelab profile --since 1h
    tracelab profile --operation "GET /checkout" --speedscope > checkout.speedscope.json
    tracelab profile traces.json --collapsed | flamegraph.pl > paths.svg
    """
    from tracelab.analysis.cohorts import cohort
    from tracelab.analysis.profile import finish_profile, sum_profile
    from tracelab.reporters import profiles
    from tracelab.reporters.terminal import diagnostics_table, print_report

    search = chosen_search(where, src.service, operation)
    reading = Diagnostics()

    def parts() -> Iterator[ProfileSums]:
        if where:
            yield sum_profile(cohort(src.load(whole_spans=True), src.window, search))
            return
        for traces in src.stream(reading):
            yield sum_profile(cohort(traces, src.window, search))

    profile = finish_profile(parts())
    if form == "collapsed":
        click.echo(profiles.collapsed(profile), nl=False)
    elif form == "speedscope":
        print_json(profiles.speedscope(profile))
    elif as_json:
        print_json(profiles.profile_shape(profile))
    else:
        print_report(profiles.profile_report(profile))
        print_report(diagnostics_table(profile.diagnostics.merge(reading)))
