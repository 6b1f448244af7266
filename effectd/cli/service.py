"""`effectd service`: the systemd unit that starts this home at boot, and again whatever happens to supervisord."""

import getpass
import sys
from pathlib import Path

UNIT = """\
# sudo effectd --home {home} service | sudo tee /etc/systemd/system/effectd.service
# sudo systemctl enable --now effectd
[Unit]
Description=effectd, sensory effects over MQTT ({home})
After=network.target

[Service]
Type=simple
User={user}
WorkingDirectory={home}
ExecStart={python} -m supervisor.supervisord --nodaemon --configuration {home}/supervisor.conf
ExecStop={python} -m supervisor.supervisorctl --configuration {home}/supervisor.conf shutdown
# the programs end themselves, devices off, when supervisord dies; whatever is left after that is ended here
KillMode=mixed
TimeoutStopSec=15
Restart=always
RestartSec=1

[Install]
WantedBy=multi-user.target
"""


def run(home: Path) -> int:
    """Print the unit for this home, this Python and this user."""
    path, python = (str(each).replace("%", "%%").replace(" ", "\\x20") for each in (home, sys.executable))
    print(UNIT.format(home=path, python=python, user=getpass.getuser()), end="")  # noqa: T201
    return 0
