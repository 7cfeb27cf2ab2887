"""The door: passes users' requests on, says who they are and, where traffic is split, which versions serve them."""

from __future__ import annotations

from fastapi import Request, Response
from opentelemetry import trace

from demo_services import control
from demo_services.web import Web, region_of, url_of, user_of


def main() -> None:
    web = Web()

    async def forward(request: Request, service: str, path: str) -> Response:
        user = user_of(request)
        trace.get_current_span().set_attributes({"user.id": user, "shop.region": region_of(user)})
        headers = {"x-user": user}
        releases = control.releases_for(user)
        if releases:
            headers["x-release"] = ";".join(f"{name}={version}" for name, version in releases.items())
        answer = await web.client.request(
            request.method, url_of(service) + path, headers=headers, content=await request.body()
        )
        return Response(answer.content, answer.status_code, media_type=answer.headers.get("content-type"))

    @web.app.get("/")
    async def home(request: Request) -> Response:
        return await forward(request, "frontend", "/")

    @web.app.get("/products/{product_id}")
    async def product(request: Request, product_id: int) -> Response:
        return await forward(request, "frontend", f"/products/{product_id}")

    @web.app.post("/checkout")
    async def checkout(request: Request) -> Response:
        return await forward(request, "orders", "/orders")

    web.run()
