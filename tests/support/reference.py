"""The reference pages, made from the code: `python -m tests.support.reference` (make docs) writes them anew."""

from __future__ import annotations

from pathlib import Path

import click

from tracelab.commands.main import command
from tracelab.diagnostics import DIAGNOSTICS
from tracelab.lab.lessons import lessons
from tracelab.lab.scenarios import scenarios
from tracelab.schema import COLUMNS

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "reference"


def commands_page() -> str:
    """Every command's help, as the terminal shows it."""
    parts = [
        "# Commands\n\nMade from the code by `make docs`. Exit codes: 0 good, 1 a check failed, 2 bad usage or input.\n"
    ]
    context = click.Context(command, info_name="tracelab")
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        assert found is not None
        parts.append(_help(found, f"tracelab {name}", context, name))
        if isinstance(found, click.Group):
            inner = click.Context(found, info_name=name, parent=context)
            parts += [_help(found.commands[sub], f"tracelab {name} {sub}", inner, sub) for sub in found.commands]
    return "\n".join(parts)


def _help(found: click.Command, title: str, parent: click.Context, name: str) -> str:
    text = found.get_help(
        click.Context(found, info_name=name, parent=parent, max_content_width=100, terminal_width=100)
    )
    return f"## {title}\n\n```\n{text}\n```\n"


def span_table_page() -> str:
    """Every column of the span table."""
    lines = [
        "# Span table\n\nMade from `tracelab/schema.py` by `make docs`. Columns with an OTLP field hold what",
        "came in; the others repeat an attribute, the first of the names that is there.\n",
        "| column | type | unit | OTLP field, or attributes | meaning |",
        "|---|---|---|---|---|",
    ]
    for column in COLUMNS:
        type_ = str(column.type).replace("|", "\\|")
        type_ = type_ if len(type_) < 40 else type_.split("<")[0] + "<…>"
        source = column.otlp or ", ".join(f"`{name}`" for name in column.ladder)
        lines.append(f"| `{column.name}` | {type_} | {column.unit} | {source} | {column.doc} |")
    return "\n".join(lines) + "\n"


def diagnostics_page() -> str:
    """Everything odd that is counted."""
    lines = [
        "# Diagnostics\n\nMade from `tracelab/diagnostics.py` by `make docs`. Counts of these stand under",
        "`diagnostics` in every `--json`.\n",
        "| name | severity | meaning | what to do |",
        "|---|---|---|---|",
    ]
    lines += [f"| `{d.name}` | {d.severity} | {d.meaning} | {d.advice} |" for d in DIAGNOSTICS.values()]
    return "\n".join(lines) + "\n"


def scenarios_page() -> str:
    """The lab's faults; their causes are told, so this page is for trainers."""
    parts = [
        "# Scenarios\n\nMade from `tracelab/lab/scenarios.toml` by `make docs`. Who wants to find out should not",
        "read on: every cause is told here.\n",
    ]
    for one in scenarios().values():
        parts.append(f"## {one.name}: {one.title}\n\n{one.symptom}\n")
        parts += [f"- {hint}" for hint in one.hints]
        parts.append(f"\nThe cause: {one.cause}\n")
    return "\n".join(parts)


def lessons_page(language: str) -> str:
    """The lessons in a language, as the dashboard has them."""
    parts = [f"# {_LESSONS[language]}\n\nMade from `tracelab/lab/lessons.toml` by `make docs`.\n"]
    for lesson in lessons(language).values():
        parts.append(f"## {lesson.title} ({lesson.minutes} min)\n\n{lesson.goal}\n")
        for number, step in enumerate(lesson.steps, 1):
            parts.append(f"{number}. {step.text}")
            parts += [f"   - {option}" for option in step.options]
        parts.append(f"\n{lesson.reveal}\n")
    return "\n".join(parts)


_LESSONS = {"en": "Lessons", "ru": "Уроки"}
PAGES = {
    "commands.md": commands_page,
    "span-table.md": span_table_page,
    "diagnostics.md": diagnostics_page,
    "scenarios.md": scenarios_page,
    "lessons-en.md": lambda: lessons_page("en"),
    "lessons-ru.md": lambda: lessons_page("ru"),
}

if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page())
