"""`effectd send`: publishes one effect and prints its final receipt; or prints its plan."""

import json
import os
from pathlib import Path
from typing import Any

import msgspec
import typer

from dispatcher_proc import routing
from effectd.base.errors import EffectMalformed, EffectRefused
from effectd.cli import style
from effectd.cli.client import Client
from effectd.config import reader
from effectd.config.reader import Config
from effectd.config.schema import Limits
from effectd.messages import answers, effect, published
from effectd.messages.answers import Receipt
from effectd.messages.effect import Effect

EX_OTHER = 1
_SLACK_S = 5.0  # on top of what the contract allows an effect, for a broker that comes back meanwhile


def run(home: Path, effect_type: str, fields: dict[str, Any], *, dry_run: bool, as_json: bool) -> int:
    """`fields`: those of the payload that were given. Returns the exit code of section 4 of the contract."""
    tree = reader.load(home)
    fields = {"id": effect.new_id()} | fields
    payload = json.dumps(fields).encode()
    try:
        wanted = published.decode(payload, effect_type.partition("/")[0])
    except (EffectRefused, EffectMalformed) as error:  # the dispatcher would refuse it in the same way
        _print(_refusal(fields, effect_type, str(error)), as_json=as_json)
        return EX_OTHER
    if dry_run:
        return _plan(tree, wanted, as_json=as_json)
    return _send(tree, wanted, tree.topics.effect(effect_type), payload, as_json=as_json)


def _send(tree: Config, wanted: Effect, topic: str, payload: bytes, *, as_json: bool) -> int:
    topics = tree.topics
    able = [device.limits for device in tree.devices.values() if wanted.effect_type in device.effects]
    max_apply_ms = max((limits.max_apply_ms for limits in able), default=Limits().max_apply_ms)
    with Client(tree, "send", (topics.receipt(wanted.id), topics.dead_letter("refused"))) as client:
        if not client.reach():
            return os.EX_UNAVAILABLE
        sent = client.send(wanted.id, topic, payload)
        announced = False
        for message in client.messages((wanted.ttl_ms + max_apply_ms) / 1000 + _SLACK_S):
            if sent.final:
                _print(sent.raw, as_json=as_json)
                return 0 if sent.receipt["status"] == "done" else EX_OTHER
            if message.topic == topics.dead_letter("refused") and (why := _ours(message.payload, wanted.id, payload)):
                _print(_refusal({"id": wanted.id}, wanted.effect_type, why), as_json=as_json)
                return EX_OTHER
            if sent.receipt and not announced and not as_json:
                announced = True
                typer.echo(style.receipt(sent.receipt), err=True)  # accepted, and what it waits for
    word = f"accepted, but no final receipt of {wanted.id}" if sent.receipt else f"no receipt of {wanted.id}"
    typer.echo(f"{word}{f' ({client.trouble})' if client.trouble else ''}; see: effectd health", err=True)
    return os.EX_TEMPFAIL


def _ours(dead_letter: bytes, effect_id: str, payload: bytes) -> str:
    """Why our effect gets no receipt but a dead letter (its id is in use for another); "" for another's letter."""
    try:
        letter = msgspec.json.decode(dead_letter, type=answers.DeadLetter)
    except msgspec.DecodeError:
        return ""
    return letter.detail if letter.id == effect_id and (letter.payload or "").encode() == payload else ""


def _refusal(fields: dict[str, Any], effect_type: str, why: str) -> bytes:
    """A refusal as the dispatcher would publish it."""
    return answers.encode(Receipt(id=str(fields["id"]), effect_type=effect_type, status="refused", reason=why))


def _print(receipt: bytes, *, as_json: bool) -> None:
    typer.echo(receipt if as_json else style.receipt(json.loads(receipt)))


def _plan(tree: Config, wanted: Effect, *, as_json: bool) -> int:
    """Show what the dispatcher would decide and the drivers would do, without a broker."""
    for error in tree.errors:
        typer.echo(str(error), err=True)
    try:
        plan = routing.plan(wanted, tree)
    except EffectRefused as error:
        _print(_refusal({"id": wanted.id}, wanted.effect_type, str(error)), as_json=as_json)
        return EX_OTHER
    if not plan.devices:
        undeliverable = Receipt(
            id=wanted.id, effect_type=wanted.effect_type, status="undeliverable", reason=plan.note, latency_ms=0
        )
        _print(answers.encode(undeliverable), as_json=as_json)
        return EX_OTHER
    if as_json:
        devices = {k: {"intensity": e.intensity, "duration": e.duration} for k, e in plan.devices.items()}
        typer.echo(answers.encode({"devices": devices, "note": plan.note}))
        return 0
    typer.echo("plan; nothing is sent")
    width = max(map(len, plan.devices))
    for name, resolved in plan.devices.items():
        typer.echo(f"  {name:<{width}}  {_resolved(resolved, tree.devices[name].limits)}")
    if plan.note:
        typer.echo(f"  {plan.note}")
    return 0


def _resolved(wanted: Effect, limits: Limits) -> str:
    """`wind 60 %  for 2000 ms`, and what the device's limits make of it."""
    intensity, duration = float(wanted.intensity), wanted.duration or limits.max_on_ms
    lasts = f"for {wanted.duration} ms" if wanted.duration else "until replaced or stopped"
    text = f"{wanted.effect_type} {intensity:g} %{style.details(wanted.parameters)}  {lasts if intensity else 'off'}"
    text += f", a fade of {wanted.fade} ms" if wanted.fade else ""
    cut = []
    if intensity > limits.max_intensity:
        cut.append(f"{limits.max_intensity:g} % (max_intensity)")
    if intensity and (duration > limits.max_on_ms or not wanted.duration):
        cut.append(f"{limits.max_on_ms} ms (max_on_ms)")
    return text + (f"  at most {' and '.join(cut)}" if cut else "")
