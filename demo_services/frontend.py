"""The pages: asks auth who it is, product-api what there is, and tells auth that it saw the user without waiting."""

from __future__ import annotations

import httpx
from fastapi import HTTPException, Request
from fastapi.responses import HTMLResponse

from demo_services.telemetry import tracer
from demo_services.web import Web, passed_on, url_of, work


def main() -> None:
    web = Web()

    async def page(request: Request, path: str) -> HTMLResponse:
        headers = passed_on(request)
        allowed = await web.client.get(f"{url_of('auth')}/verify", headers=headers)
        if allowed.status_code != httpx.codes.OK:
            raise HTTPException(401, "who are you?")
        web.in_background(web.client.post(f"{url_of('auth')}/seen", headers=headers))
        found = await web.client.get(url_of("product-api", request) + path, headers=headers)
        if found.status_code != httpx.codes.OK:
            raise HTTPException(
                found.status_code, "no such product" if found.status_code == 404 else "sold out of answers"
            )
        with tracer.start_as_current_span("render template"):
            await work(4)
        return HTMLResponse(f"<h1>shop</h1><pre>{found.text}</pre>")

    @web.app.get("/banner")
    async def banner() -> dict[str, str]:
        await work(2)
        return {"banner": "welcome back"}

    @web.app.get("/")
    async def home(request: Request) -> HTMLResponse:
        return await page(request, "/products")

    @web.app.get("/products/{product_id}")
    async def product(request: Request, product_id: int) -> HTMLResponse:
        return await page(request, f"/products/{product_id}")

    web.run()
