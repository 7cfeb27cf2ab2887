"""A layer imports only what stands before it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BASE = (
    "schema",
    "semconv",
    "errors",
    "diagnostics",
    "times",
    "window",
    "faults",
    "memory",
    "stored",
    "small_files",
    "shop_control",
)
LAYERS = ("kernels", "traceset", "codecs", "lake", "adjusters", "analysis", "release", "lab", "reporters", "commands")
RANK = {**dict.fromkeys(BASE, 0), **{layer: at for at, layer in enumerate(LAYERS, 1)}}


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("path", modules("tracelab"), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_layer_reaches_up(path: Path) -> None:
    layer = path.relative_to(ROOT / "tracelab").parts[0].removesuffix(".py")
    if layer in ("__init__", "__main__"):
        return
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "tracelab" and len(parts) > 1:
            assert RANK[parts[1]] <= RANK[layer], f"{layer} imports {name}"
        if layer != "commands":
            assert parts[0] not in ("collectors", "dashboards", "demo_services")


@pytest.mark.parametrize("path", modules("tracelab/kernels"), ids=lambda path: path.name)
def test_kernels_know_arrays_alone(path: Path) -> None:
    outside = {name.split(".")[0] for name in imports(path)} - {
        "tracelab",
        "__future__",
        "collections",
        "typing",
        "sys",
    }
    assert outside <= {"numpy", "numba", "llvmlite"}


@pytest.mark.parametrize("package", ["collectors", "dashboards"])
def test_the_programs_use_public_names(package: str) -> None:
    for path in modules(package):
        assert not {name for name in imports(path) if name.startswith("tracelab.")}, path


def test_the_shop_knows_nothing_of_tracelab() -> None:
    for path in modules("demo_services"):
        assert not {name for name in imports(path) if name.split(".")[0] in ("tracelab", "collectors", "dashboards")}, (
            path
        )


def test_public_names_are_there() -> None:
    import tracelab

    assert all(getattr(tracelab, name) is not None for name in tracelab.__all__)
