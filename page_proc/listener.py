"""Listens on the page's port, retries while it is taken, and reports why it cannot be bound."""

import asyncio
import logging
import ssl
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

from uvicorn.config import Config
from uvicorn.server import ServerState

from effectd.config.schema import Page
from effectd.program.addresses import addresses
from effectd.program.port_trouble import PortTrouble
from page_proc.visitor import Visitor

RETRY_S = 0.5  # a port that becomes free sends no notice
BACKLOG = 128
KEEP_ALIVE_S = 30

log = logging.getLogger(__name__)


class Listener:
    """`report` gets why it does not listen, and whether that may pass by itself; "" when it listens."""

    def __init__(
        self, app: Any, page: Page, context: ssl.SSLContext | None, report: Callable[[str, bool], object]
    ) -> None:
        self._page, self._context, self._report = page, context, report
        self._loop = asyncio.get_running_loop()
        self._config = Config(
            app, lifespan="off", log_config=None, access_log=False, ws="none", timeout_keep_alive=KEEP_ALIVE_S
        )
        self._config.load()
        logging.getLogger("uvicorn").setLevel(logging.ERROR)  # clients' errors are answered, not logged
        self._state = ServerState()
        self._server: asyncio.Server | None = None
        self._trouble = PortTrouble()
        self._dating: asyncio.TimerHandle | None = None
        self._task = self._loop.create_task(self._listen())
        self._date()

    async def close(self) -> None:
        """Close the port and all connections; requests in progress get a moment to finish."""
        self._task.cancel()
        if self._dating is not None:
            self._dating.cancel()
        if self._server is not None:
            self._server.close()
        for one in list(self._state.connections):
            one.shutdown()
        if self._state.tasks:
            await asyncio.wait(list(self._state.tasks), timeout=0.3)
        for one in list(self._state.connections):
            one.abort()  # type: ignore[union-attr]

    def _visitor(self) -> Visitor:
        return Visitor(config=self._config, server_state=self._state, app_state={})

    async def _listen(self) -> None:
        page = self._page
        while True:
            try:
                self._server = await self._loop.create_server(
                    self._visitor,
                    addresses(page.host),
                    page.port,
                    ssl=self._context,
                    backlog=BACKLOG,
                    reuse_address=True,
                )
            except OSError as error:
                self._report(*await self._trouble.why(error, page.host, page.port))
            else:
                scheme = "https" if self._context is not None else "http"
                log.info("the page is at %s://%s:%d", scheme, page.host, page.port)
                self._report("", True)
                return
            await asyncio.sleep(RETRY_S)

    def _date(self) -> None:
        """Keep the Date header up to date, as uvicorn's own server does."""
        self._dating = self._loop.call_later(1.0, self._date)
        self._state.default_headers = [(b"date", formatdate(usegmt=True).encode())]
