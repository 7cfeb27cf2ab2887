"""Charges cards; some are declined, and sometimes the bank does not answer."""

from __future__ import annotations

import random

from fastapi import HTTPException, Request
from opentelemetry import trace

from demo_services.telemetry import tracer
from demo_services.web import Web, more_work, work

DECLINED_SHARE = 0.05
BANK_DOWN_SHARE = 0.04


class BankUnavailableError(Exception):
    """The bank did not answer."""


async def _ask_bank(amount: float) -> bool:
    with tracer.start_as_current_span("authorize card", attributes={"payment.amount": amount}):
        await work(18)
        await more_work("bank_ms")
        if random.random() < BANK_DOWN_SHARE:
            raise BankUnavailableError("no answer from the bank")
        return random.random() >= DECLINED_SHARE


def main() -> None:
    web = Web()

    @web.app.post("/charge")
    async def charge(request: Request) -> dict[str, bool]:
        amount = float((await request.json())["amount"])
        try:
            accepted = await _ask_bank(amount)
        except BankUnavailableError as error:
            trace.get_current_span().record_exception(error)
            raise HTTPException(503, "bank unavailable") from None
        if not accepted:
            raise HTTPException(402, "declined")
        return {"charged": True}

    web.run()
