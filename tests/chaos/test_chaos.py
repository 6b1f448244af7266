"""Half a minute of kills, hangs and rubbish on a loaded home: nothing lost, twice, late, or left on.

The long one is scripts/chaos.
"""

import random
import shutil
from collections.abc import Iterator

import pytest

from tests.chaos import nemesis, storm
from tests.chaos.deaths import Kill
from tests.chaos.fault import Fault
from tests.chaos.hangs import Pause, PauseSupervisord
from tests.chaos.links import LinkCut, StopAmidCut, StopAndDeathAmidCut
from tests.chaos.misc_faults import NodeDies, NodeDiesToo, NodeStandsStill, StopAll
from tests.chaos.pairs import PausedTogether, PauseSupervisordAndKill
from tests.chaos.storm import STEADY, Outcome
from tests.needs import need

SEED = 4
LONG = (
    Pause,
    PauseSupervisord,
    PauseSupervisordAndKill,
    PausedTogether,
)  # each takes seconds until it is noticed: one of them here, all in the long run

pytestmark = pytest.mark.chaos


@pytest.fixture(autouse=True)
def _mosquitto() -> None:
    need("mosquitto", "mosquitto")


def each_fault_once(programs: list[str], chance: random.Random) -> Iterator[Fault]:
    faults = nemesis.everything(programs, chance, page=True)
    yield from [fault for fault in faults if not isinstance(fault, LONG)]
    yield Pause(chance.choice(programs))


def judged(outcome: Outcome) -> None:
    print(outcome)
    assert not outcome.complaints, str(outcome)
    assert outcome.verdict.good, str(outcome)
    shutil.rmtree(outcome.path)


def test_whatever_is_done_to_a_home_every_effect_gets_one_true_end_and_everything_is_ready_again() -> None:
    outcome = storm.run(SEED, 60, 60, each_fault_once, page=True, pause_s=0.15)
    judged(outcome)
    assert sum(outcome.verdict.faults.values()) >= 25
    assert outcome.verdict.effects >= 500
    assert outcome.orders >= 10


def test_while_programs_are_killed_again_and_again_nearly_every_effect_is_done() -> None:
    outcome = storm.run(SEED, 8, 25, storm.only_kills, pause_s=0.6, **STEADY)
    judged(outcome)
    assert outcome.verdict.done >= 0.95, str(outcome)


def nodes_die(programs: list[str], chance: random.Random) -> Iterator[Fault]:
    yield from [NodeDies(), StopAll(), NodeDies(), NodeDiesToo(), Kill("dispatcher"), NodeDies(), NodeStandsStill()]


def test_while_the_nodes_of_its_broker_die_one_after_the_other_nothing_is_lost_or_driven_twice() -> None:
    outcome = storm.run(SEED, 60, 40, nodes_die, pair=True, pause_s=0.6)
    judged(outcome)
    assert len(outcome.gone_on) == 3


def links_are_cut(programs: list[str], chance: random.Random) -> Iterator[Fault]:
    yield from [LinkCut(0.3), StopAll(), LinkCut(3), StopAmidCut(1), Kill("dispatcher"), StopAndDeathAmidCut(20)]


def test_while_the_link_to_another_machine_is_cut_and_healed_nothing_is_lost_driven_twice_endless_or_after_a_stop() -> (
    None
):
    outcome = storm.run(SEED, 90, 40, links_are_cut, remote=True)
    judged(outcome)
    assert sum(outcome.verdict.faults.values()) == 6
