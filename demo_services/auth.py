"""Who is it? Sessions are cached for a while."""

from __future__ import annotations

import time

from fastapi import HTTPException, Request
from opentelemetry import trace

from demo_services.telemetry import tracer
from demo_services.web import Web, work

SESSION_S = 5.0


def main() -> None:
    web = Web()
    sessions: dict[str, float] = {}

    @web.app.get("/verify")
    async def verify(request: Request) -> dict[str, str]:
        user = request.headers.get("x-user", "anonymous")
        cached = sessions.get(user, 0.0) > time.monotonic()
        trace.get_current_span().set_attribute("session.cached", cached)
        if not cached:
            with tracer.start_as_current_span("load session"):
                await work(3)
            if user.startswith("stranger"):
                raise HTTPException(401, "unknown user")
            sessions[user] = time.monotonic() + SESSION_S
        return {"user": user}

    @web.app.post("/seen")
    async def seen() -> dict[str, str]:
        with tracer.start_as_current_span("write audit log"):
            await work(25)
        return {"status": "noted"}

    web.run()
