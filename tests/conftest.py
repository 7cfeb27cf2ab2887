"""Settings for all tests."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "default",
    derandomize="CI" in os.environ,  # new examples are for people who can look at them
    deadline=None,  # shared machines: a slow example is no failure
    max_examples=int(os.environ.get("TRACELAB_EXAMPLES", "120")),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("default")
