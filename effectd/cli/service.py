"""`effectd service`: prints the systemd unit that starts this home at boot and restarts supervisord if it ends."""

import getpass
import re
import shlex
import sys
from pathlib import Path

from effectd.config.reader import SUPERVISOR_FILE

UNIT = """\
# sudo {effectd} service | sudo tee /etc/systemd/system/effectd.service
# sudo systemctl enable --now effectd
[Unit]
Description=effectd, sensory effects over MQTT ({home})
After=network.target

[Service]
Type=simple
User={user}
WorkingDirectory={home}
ExecStart={python} -m supervisor.supervisord --nodaemon --configuration {conf}
ExecStop={python} -m supervisor.supervisorctl --configuration {conf} shutdown
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
    text = UNIT.format(
        home=_specifiers(str(home)),
        effectd=shlex.join([str(Path(sys.executable).parent / "effectd"), "--home", str(home)]),
        python=_word(sys.executable),
        conf=_word(str(home / SUPERVISOR_FILE)),
        user=getpass.getuser(),
    )
    print(text, end="")  # noqa: T201
    return 0


def _specifiers(text: str) -> str:
    """For a setting that systemd takes as it stands, but for its specifiers (systemd.unit(5))."""
    return text.replace("%", "%%")


def _word(text: str) -> str:
    """One word of a command line, by the rules of systemd.service(5): quotes, backslash, $ and %."""
    text = _specifiers(text).replace("$", "$$")
    if re.fullmatch(r"[\w/.@:+,=$%~-]+", text, re.ASCII):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
