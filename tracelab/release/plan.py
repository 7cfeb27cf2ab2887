"""Plans: which share of the traffic a candidate gets, for how long each time."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from tracelab.errors import InputError, UsageError
from tracelab.times import parse_duration_ns


@dataclass(frozen=True)
class Step:
    """A share of the traffic in per cent, and for how long at least."""

    weight: float
    bake_s: float


def read_plan(text: str, bake_s: float) -> tuple[Step, ...]:
    """`5,20,60,100`, or a TOML file with `weights` (or `baseline_weights`, what is left to the old one) and `bake`."""
    if text.endswith(".toml"):
        return _of_file(Path(text), bake_s)
    try:
        weights = [float(word) for word in text.split(",")]
    except ValueError:
        raise UsageError(f"--plan {text}: write shares in per cent, 5,20,60,100, or name a .toml file") from None
    return _steps(weights, bake_s, f"--plan {text}")


def _of_file(path: Path, bake_s: float) -> tuple[Step, ...]:
    try:
        said = tomllib.loads(path.read_text())
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path}: no TOML: {error}") from None
    bake = parse_duration_ns(said["bake"]) / 1e9 if "bake" in said else bake_s
    if "weights" in said:
        return _steps([float(weight) for weight in said["weights"]], bake, str(path))
    if "baseline_weights" in said:
        return _steps([100 - float(weight) for weight in said["baseline_weights"]], bake, str(path))
    raise InputError(f"{path}: no `weights` and no `baseline_weights` in it; for example weights = [5, 20, 60, 100]")


def _steps(weights: list[float], bake_s: float, where: str) -> tuple[Step, ...]:
    weights = [weight for weight in weights if weight > 0]  # a plan may begin with nothing
    if not weights or any(weight > 100 for weight in weights) or weights != sorted(weights):
        raise UsageError(f"{where}: shares must be above 0, at most 100, and must not fall")
    return tuple(Step(weight, bake_s) for weight in weights)
