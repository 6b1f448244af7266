"""Each effect type of MPEG-V is read under its own name, with what belongs to it."""

import pytest

from effectd.timeline.reading import read

NAMES = {
    "LightType": "light",
    "FlashType": "flash",
    "TemperatureType": "temperature",
    "WindType": "wind",
    "VibrationType": "vibration",
    "SprayingType": "spraying",
    "ScentType": "scent",
    "FogType": "fog",
    "ColorCorrectionType": "color-correction",
    "RigidBodyMotionType": "rigid-body-motion",
    "PassiveKinestheticMotionType": "passive-kinesthetic-motion",
    "PassiveKinestheticForceType": "passive-kinesthetic-force",
    "ActiveKinestheticType": "active-kinesthetic",
    "TactileType": "tactile",
}
MOTIONS = {
    "MoveToward": "move-toward",
    "TrajectorySamples": "trajectory-samples",
    "Incline": "incline",
    "Shake": "shake",
    "Wave": "wave",
    "Spin": "spin",
    "Turn": "turn",
    "Collide": "collide",
}


def sem(inner: str) -> bytes:
    return (
        '<SEM xmlns="urn:mpeg:mpeg-v:2010:01-SEDL-NS" xmlns:sev="urn:mpeg:mpeg-v:2010:01-SEV-NS"'
        ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:si="urn:mpeg:mpeg21:2003:01-DIA-XSI-NS"'
        f' si:timeScale="90000">{inner}</SEM>'
    ).encode()


@pytest.mark.parametrize("written", NAMES)
def test_each_of_the_fourteen_types_is_read(written: str) -> None:
    times = 'activate="true" si:pts="45000.5" duration="90000" priority="8"'
    levels = 'intensity-value="-5" intensity-range="-10 10"'
    found = read(sem(f'<Effect xsi:type="sev:{written}" {times} {levels} further="2.5"/>'))
    (effect,) = found.effects
    assert found.problems == ()
    assert (effect.effect_type, effect.timestamp, effect.duration) == (NAMES[written], 500, 1000)
    assert (effect.intensity, effect.priority, effect.parameters["further"]) == (25.0, 8, 2.5)


@pytest.mark.parametrize("written", MOTIONS)
def test_each_kind_of_motion_is_read_with_its_attributes(written: str) -> None:
    motion = f'<sev:{written} speed="3" direction="urn:mpeg:mpeg-v:01-SI-X-NS:heave"/>'
    times = 'activate="true" si:pts="0" duration="90000"'
    (effect,) = read(sem(f'<Effect xsi:type="sev:RigidBodyMotionType" {times}>{motion}</Effect>')).effects
    assert effect.parameters["motion"] == MOTIONS[written]
    assert effect.parameters["speed"] == 3
