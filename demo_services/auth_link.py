"""The network between the pages and auth: a TCP relay whose latency and loss can be set while it runs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal

from demo_services import control


async def _pass_on(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(65_536):
            await asyncio.sleep(float(control.fault("latency_ms", 0)) / 1000)
            while control.fault("partition", False):  # packets are lost in silence: nobody is told
                await asyncio.sleep(0.2)
            target.write(data)
            await target.drain()
    except ConnectionError:
        pass
    finally:
        target.close()


async def _relay() -> None:
    host, port = os.environ["AUTH_ADDRESS"].rsplit(":", 1)
    ending = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ending.set)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there_reader, there_writer = await asyncio.open_connection(host, int(port))
        except OSError:
            writer.close()
            return
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(_pass_on(reader, there_writer), _pass_on(there_reader, writer))

    await asyncio.start_server(connected, os.environ.get("HOST", "127.0.0.1"), int(os.environ["PORT"]))
    await ending.wait()


def main() -> None:
    control.start()
    asyncio.run(_relay())
