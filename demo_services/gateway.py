"""The door: passes users' requests on and says who they are."""

from __future__ import annotations

from fastapi import Request, Response
from opentelemetry import trace

from demo_services.web import Web, url_of


def main() -> None:
    web = Web()

    async def forward(request: Request, service: str, path: str) -> Response:
        user = request.headers.get("x-user", "anonymous")
        trace.get_current_span().set_attribute("user.id", user)
        answer = await web.client.request(
            request.method, url_of(service) + path, headers={"x-user": user}, content=await request.body()
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
