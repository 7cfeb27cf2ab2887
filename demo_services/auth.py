"""Who is it? Sessions are cached for a while."""

from __future__ import annotations

import time

from fastapi import HTTPException, Request
from opentelemetry import trace

from demo_services import control
from demo_services.telemetry import tracer
from demo_services.web import Web, passed_on, region_of, url_of, user_of, work

SESSION_S = 5.0


def main() -> None:
    web = Web()
    sessions: dict[str, float] = {}

    @web.app.get("/verify")
    async def verify(request: Request) -> dict[str, str]:
        user = user_of(request)
        if region_of(user) == control.fault("slow_region"):
            with tracer.start_as_current_span("look up region policy", attributes={"shop.region": region_of(user)}):
                await work(120)
        if control.fault("asks_for_banner", False):  # the pages ask auth, and auth asks the pages
            await web.client.get(f"{url_of('frontend')}/banner", headers=passed_on(request))
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
