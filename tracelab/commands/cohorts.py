"""Options that choose which requests an analysis looks at."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tracelab.errors import UsageError

if TYPE_CHECKING:
    from tracelab.analysis.summaries import Search

_F = TypeVar("_F", bound=Callable[..., Any])


def where_option(name: str, help_: str) -> Callable[[_F], _F]:
    return click.option(name, multiple=True, metavar="KEY=VALUE", help=help_)


def operation_option(function: _F) -> _F:
    return click.option("--operation", help="Only traces with a span of this name (of --service, if given).")(function)


def chosen_search(where: tuple[str, ...], service: str | None = None, operation: str | None = None) -> Search:
    """The search that such options say."""
    from tracelab.analysis.summaries import Search

    pairs = [(text.partition("=")[0], text.partition("=")[2]) for text in where]
    for text in where:
        if "=" not in text:
            raise UsageError(f"{text}: write KEY=VALUE")
    return Search(service=service, operation=operation, attributes=pairs)
