"""A dispatcher and its two fans, for tests: messages in, messages out, with a clock that moves only when told."""

from pathlib import Path
from typing import Any

from effectd.testing import DispatcherBench

HOME = """\
topic_root: "{root}"
devices:
  fan: {{kind: virtual, effects: [wind], location: left}}
  fan-2: {{kind: virtual, effects: [wind, fog], location: right}}
  broken: {{kind: virtual, effects: [nothing]}}
effects:
  wind: {{labels: {{gale: 80}}, duration_ms: 700}}
  fog:
  light:
"""


class House(DispatcherBench):
    """Two fans, one of which makes fog, too."""

    def __init__(self, home: Path, root: str = "") -> None:
        super().__init__(home, HOME.format(root=root))

    def wind(self, effect_id: str | None = "w1", **fields: Any) -> None:
        self.message("effects/wind", {"id": effect_id, **fields})
