"""The page program: makes its parts, passes messages to them, starts and stops them."""

import asyncio
import gc
import logging
import signal
import ssl

from uvloop import Loop

from effectd.access.tls import tls_context
from effectd.base.errors import ConfigError
from effectd.config import reader
from effectd.config.part import connection
from effectd.config.reader import Config
from effectd.program.braked import braked
from effectd.program.broker_session import BrokerSession
from effectd.program.holds import FILE, Holds
from effectd.program.process import Process
from page_proc.api import Api
from page_proc.door import Door
from page_proc.effects import Effects
from page_proc.events import Events
from page_proc.files import Files
from page_proc.guest import Guest
from page_proc.listener import Listener
from page_proc.live import Live, View
from page_proc.metrics import Metrics
from page_proc.operator import Operator
from page_proc.orders import Orders
from page_proc.paths import Paths
from page_proc.picture import Picture
from page_proc.programs import Programs
from page_proc.stops import Stops
from page_proc.timelines import Timelines
from page_proc.users import Users

log = logging.getLogger(__name__)


def serve(process: Process) -> None:
    """Run until SIGTERM."""
    if process.config.page is None:
        what = "no `page:` here: add `page: {}`, or remove [program:page] from supervisor.conf"
        raise ConfigError(process.home / reader.FILE, 1, "page", what)
    with asyncio.Runner(loop_factory=Loop) as runner:
        runner.run(_serve(process))


async def _serve(process: Process) -> None:
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    process.serve(loop, stopping.set)
    await braked(process, stopping)
    if stopping.is_set():
        return
    page = Page(process, loop, stopping)
    loop.add_signal_handler(signal.SIGHUP, page.reload)
    if process.hung_up:
        page.reload()
    gc.collect()
    gc.freeze()  # what exists now stays: the garbage collector need not scan it again
    await stopping.wait()
    await page.close()


class Page:
    """Everything that a request may need; `config` is the current one."""

    def __init__(self, process: Process, loop: asyncio.AbstractEventLoop, stopping: asyncio.Event) -> None:
        self._process, self.stopping = process, stopping
        self.config, self.topics = process.config, process.config.topics
        assert process.config.page is not None
        self._watcher = process.watcher(loop)
        self.live, self.events = Live(), Events(self.topics)
        self.picture = Picture(self.config, self.live.changed)
        self.live.changes = self.picture.changes
        self.programs = Programs(self.config, self._watcher, self.picture.programs_changed)
        self.programs.watched = lambda: self.live.watched
        self.metrics = Metrics(self.config)
        self._broker = BrokerSession(process, loop, self._watcher, on_change=self._connection_changed)
        self._broker.connect(
            process.name, subscriptions=self._subscriptions, on_message=self._take, on_up=self._connected
        )
        link = lambda: self._broker.link  # noqa: E731
        self.orders = Orders(link)
        self.effects = Effects(self.orders, self.topics)
        self.stops = Stops(process.run, link)
        self.timelines = Timelines(link, self.topics, lambda: self.picture.timelines)
        self.operator = Operator(self.programs, stopping)
        self.kept = Holds(process.run, process.name, loop)
        self.kept.watch(self._held, lambda trouble: self._broker.journal_trouble(trouble, FILE))
        self._held()
        self.files = Files()
        self._views: dict[str | None, View] = {}
        context = self._context(process.config)
        self.users = Users(self.config, context, self._renewed)
        door = Door(Paths(Api(self)), process.config.page, self.users)
        self._listener = Listener(door, process.config.page, context, self._listening)
        self._broker.start()
        self._connection_changed()

    @property
    def _subscriptions(self) -> tuple[str, ...]:
        """On another broker `$SYS` may be unreadable, and it has its own exporter."""
        return (*self.topics.listened, "$SYS/broker/#") if self.config.broker.embedded else self.topics.listened

    @property
    def connected(self) -> bool:
        return self._broker.up

    def view(self, who: Guest) -> View:
        """Visitors who see the same share one view, and so its encoded frames."""
        if who.user not in self._views:
            sees = None if who.sees_all else who.sees
            self._views[who.user] = View(
                self.picture, self.programs, self.topics, sees, lambda: who.shown(self.topics, self.config.effects)
            )
        return self._views[who.user]

    def reload(self) -> None:
        """SIGHUP: read config.yaml again; a wrong one changes nothing and is reported in one log line."""
        try:
            fresh = reader.load(self._process.home)
        except ConfigError as error:
            log.error("%s (config.yaml is not taken in; the old one stays)", error)
            return
        if connection(fresh) != connection(self.config) or fresh.page != self.config.page:
            log.error("another topic_root, broker or page is taken in only by: effectd up")
            return
        self._process.works_by(fresh)
        self.config = fresh
        self._views.clear()
        self.picture.configure(fresh)
        self.metrics.configure(fresh)
        self.programs.configure(fresh)
        log.info("config.yaml is taken in: %d devices", len(fresh.devices))

    async def close(self) -> None:
        """SIGTERM: close all connections, disconnect from the broker, end."""
        self.live.close()
        self.events.close()
        await self._listener.close()
        self.users.close()
        self.programs.close()
        self.kept.close()
        self._broker.close()
        self._watcher.close()

    def _context(self, config: Config) -> ssl.SSLContext | None:
        assert config.page is not None
        try:
            return tls_context(config.page.tls, home=config.home, users=bool(config.broker.users))
        except OSError as error:
            raise config.file.error(("page", "tls"), f"no TLS with these files: {error}") from error

    def _listening(self, reason: str, passes: bool) -> None:
        """Like the broker, `ready` with a reason while another program has the port."""
        self._broker.remark(reason if passes else "")
        self._broker.trouble("" if passes else reason)

    def _renewed(self) -> None:
        """Users have changed: end all streams, so that visitors log in again with their current rights."""
        self._views.clear()
        self.live.close()
        self.events.close()

    def _take(self, topic: str, payload: bytes, retained: bool) -> None:
        self.metrics.hear(topic, payload)
        levels = self.topics.split(topic)
        if not levels or levels[0] == "$SYS":
            return
        self.events.take(topic, payload)
        self.orders.take(levels, payload)
        self.timelines.take(levels, payload, retained)
        if levels[0] == "holds" and len(levels) == 2:
            self.kept.hear(levels[1], payload)
        else:
            self.picture.take(levels, payload, retained)

    def _held(self) -> None:
        self.picture.held(list(self.kept.standing.values()))

    def _connected(self) -> None:
        self.picture.connected()
        self.orders.connected()
        self.stops.connected()

    def _connection_changed(self) -> None:
        if not self._broker.up:
            self.orders.lost()
            self.events.lost()
            reason = self._broker.missing
            if self.picture.away != reason:
                self.picture.lost(reason)
                self.metrics.lost()
