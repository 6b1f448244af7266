"""`[ctlplugin:health]`, inside supervisorctl: `supervisorctl health` exits with 0 where all are ready, else with 3."""

from pathlib import Path
from typing import Any

from supervisor.supervisorctl import ControllerPluginBase

from effectd.base.errors import ConfigError, NotYours
from effectd.supervision import health

NOT_READY = 3  # as `status` for a program that does not run (LSB)


class HealthPlugin(ControllerPluginBase):  # type: ignore[misc]
    """supervisorctl calls `do_<action>` and `help_<action>`."""

    name = "health"

    def __init__(self, controller: Any, **_config: Any) -> None:
        self.ctl = controller

    def do_health(self, _arguments: str) -> None:
        home = Path(self.ctl.options.configfile).resolve().parent
        try:
            with health.Health(home) as look:
                rows = look.look()
                self.ctl.output(health.table(rows, look.restarts()))
        except ConfigError as error:
            self.ctl.output(str(error))
            self.ctl.exitstatus = 78
            return
        except NotYours as error:
            self.ctl.output(str(error))
            self.ctl.exitstatus = 77
            return
        if not health.all_ready(rows):
            self.ctl.exitstatus = NOT_READY

    def help_health(self) -> None:
        self.ctl.output("health\t\tWho is really ready (RUNNING does not say it): exit status 0 if all are, 3 if not.")
