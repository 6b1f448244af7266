"""What we use of amqtt, paho and supervisor that they never promised: an upgrade that moves it fails here, with a list.

What is used is found in our own source, so the table below is neither too short nor too long. What is overridden or
replaced is known by its text too: where that changes, our version of it has to be looked at again, and its line here
be written anew.
"""

import ast
import hashlib
import importlib
import inspect
import re
from collections.abc import Iterator
from functools import cache, reduce
from pathlib import Path
from typing import Any

import pytest

from tests.unit.test_rooms import FILES, ROOT, tree

LIBRARIES = ("amqtt", "paho", "supervisor")

# private names of their objects, by where they are
PRIVATE = {
    "amqtt.broker.BrokerContext._broker_instance",
    "amqtt.plugins.manager.PluginManager._auth_plugins",
    "amqtt.plugins.manager.PluginManager._event_plugin_callbacks",
    "amqtt.plugins.manager.PluginManager._topic_plugins",
    "supervisor.http.tail_f_producer._fsize",
    "supervisor.xmlrpc.SupervisorTransport._get_connection",
}

# what we override in a class of theirs, or put in the place of something of theirs, and the hash of its source
REPLACED = {
    "paho.mqtt.client.Client._create_socket": "568e8986",
    "supervisor.http.tail_f_producer": "2d9f519f",
    "supervisor.http.tail_f_producer.more": "1b6b45f8",
    "supervisor.options.ServerOptions.make_logger": "1780e5b8",
    "supervisor.options.ServerOptions.waitpid": "b8d27ef6",
    "supervisor.xmlrpc.UnixStreamHTTPConnection.connect": "70b2604d",
}

# supervisor has no underscores. Of supervisord's own objects, which its manual does not describe, we use:
INSIDE = {
    "supervisor.supervisord.Supervisor": ("options", "process_groups"),
    "supervisor.process.ProcessGroupBase": ("processes",),
    "supervisor.process.Subprocess": (
        *("backoff", "change_state", "config", "delay", "dispatchers", "killing", "pid", "signal", "spawn", "spawnerr"),
        "state",
    ),
    "supervisor.options.ProcessConfig": (
        *("autorestart", "command", "exitcodes", "killasgroup", "name", "startretries"),
    ),
    "supervisor.options.ServerOptions": (
        *("configfile", "get_socket_map", "here", "httpservers", "logger", "pidfile", "pidhistory"),
        *("process_config_file", "unlink_pidfile", "waitpid", "stderr"),
    ),
    "supervisor.dispatchers.POutputDispatcher": ("capturelog", "normallog"),
    "supervisor.loggers.Logger": ("critical", "handlers", "warn"),
    "supervisor.loggers.FileHandler": ("baseFilename", "stream"),
    "supervisor.events.ProcessStateEvent": ("from_state", "process"),
    "supervisor.http.tail_f_producer": ("file", "filename", "ino", "sz"),
    "supervisor.supervisorctl.Controller": ("exitstatus", "options", "output"),
}

# where supervisord's own objects are touched, and what they are called there
WITHIN = ("alone", "ctlplugin", "tail", "upkeep", "wake", "watchdog")
UNSEEN = {"file", "filename", "ino", "sz"}  # of a class that ours inherits from
UNSEEN |= {"capturelog", "normallog"}  # asked for by getattr
UNSEEN |= {"process_config_file"}  # by `check`
ANCHORS = {"_options", "_supervisord", "ctl", "dispatcher", "event", "group", "handler", "logger", "options"}
ANCHORS |= {"process", "server", "supervisord"}
BUILTIN = {"append", "close", "fileno", "flush", "get", "items", "read", "seek", "socket", "values", "write"}


def dotted(node: ast.expr) -> list[str]:
    """`a.b.c` as its names; what stands before a call or an index is left out."""
    names = list[str]()
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return [*([node.id] if isinstance(node, ast.Name) else []), *reversed(names)]


@cache
def imported(path: Path) -> dict[str, str]:
    """The names of the three libraries in one file, and what they stand for."""
    found = dict[str, str]()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.asname or alias.name: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return {name: whole for name, whole in found.items() if whole.split(".")[0] in LIBRARIES}


def whole_name(path: Path, node: ast.expr) -> str:
    """What an expression of theirs is called in full; "" for one that is not theirs."""
    root, *rest = dotted(node) or [""]
    return ".".join([imported(path)[root], *rest]) if root in imported(path) else ""


def module_of(name: str) -> tuple[Any, list[str]]:
    """The module in which the thing of that name stands, and its name in there."""
    parts = name.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        try:
            return importlib.import_module(".".join(parts[:cut])), parts[cut:]
        except ModuleNotFoundError:
            continue
    raise AttributeError(name)


def resolve(name: str) -> Any:
    """The thing of that name; AttributeError where it is not there any more."""
    module, inner = module_of(name)
    return reduce(getattr, inner, module)


def theirs(kind: type) -> list[type]:
    """A class and what it inherits from, as far as the three libraries wrote it."""
    return [one for one in kind.__mro__ if one.__module__.split(".")[0] in LIBRARIES]


def has(owner: str, name: str) -> bool:
    """Whether a class of theirs, or what it inherits from, knows the name; many are only set in a method."""
    try:
        lineage = theirs(resolve(owner))
    except AttributeError:
        return False
    return any(name in vars(one) or re.search(rf"self\.{name}\b|'{name}'", inspect.getsource(one)) for one in lineage)


def fingerprint(name: str) -> str:
    """8 hex digits over the source of a function or a class, "gone" where there is none.

    From the file, because another test may have put our version in its place in this process.
    """
    module, inner = module_of(name)
    text = Path(module.__file__).read_text()
    node: ast.AST = ast.parse(text)
    for part in inner:
        found = [each for each in ast.iter_child_nodes(node) if getattr(each, "name", None) == part]
        if not found:
            return "gone"
        node = found[-1]
    return hashlib.sha256((ast.get_source_segment(text, node) or "").encode()).hexdigest()[:8]  # type: ignore[arg-type]


def own_private_names() -> set[str]:
    """Every private name that our source itself makes."""
    found = set[str]()
    for path in FILES:
        for node in ast.walk(tree(path)):
            match node:
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                    found.add(name)
                case ast.Name(id=name, ctx=ast.Store()):
                    found.add(name)
                case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name, ctx=ast.Store()):
                    found.add(name)
    return {name for name in found if name.startswith("_")} | {"_exit"}


def private_uses() -> set[str]:
    """The private names that our source takes of something that is not its own."""
    own = own_private_names()
    return {
        node.attr
        for path in FILES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute)
        and node.attr.startswith("_")
        and not node.attr.startswith("__")
        and node.attr not in own
    }


def replacements() -> Iterator[str]:
    """Methods that we write in a class of theirs, and what we put into their modules and classes."""
    for path in FILES:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ClassDef):
                for base in filter(None, (whole_name(path, base) for base in node.bases)):
                    methods = (each.name for each in node.body if isinstance(each, ast.FunctionDef))
                    known = {name for one in theirs(resolve(base)) for name in vars(one)}
                    yield from (f"{base}.{name}" for name in methods if name in known and not name.startswith("__"))
            elif isinstance(node, ast.Assign):
                targets = [each for one in node.targets for each in (one.elts if isinstance(one, ast.Tuple) else [one])]
                for target in targets:
                    if isinstance(target, ast.Attribute) and (name := whole_name(path, target)):
                        yield name
                    elif isinstance(target, ast.Attribute) and dotted(target)[:2] == ["supervisord", "options"]:
                        yield f"supervisor.options.ServerOptions.{target.attr}"


def inside_uses() -> set[str]:
    """The names that our plugins in supervisord take of its objects."""
    found = set[str]()
    for name in WITHIN:
        for node in ast.walk(tree(ROOT / "effectd" / "supervision" / f"{name}.py")):
            names = dotted(node) if isinstance(node, ast.Attribute) else []
            anchors = [at for at, name in enumerate(names) if name in ANCHORS]
            found |= set(names[anchors[0] + 1 :]) if anchors else set()
    return found - BUILTIN


def test_the_private_names_in_the_table_are_those_that_our_source_takes():
    assert private_uses() == {name.rpartition(".")[2] for name in PRIVATE}


def test_what_is_overridden_or_replaced_is_in_the_table():
    assert set(replacements()) == set(REPLACED)


def test_what_is_taken_of_supervisords_own_objects_is_in_the_table():
    assert inside_uses() | UNSEEN == {name for names in INSIDE.values() for name in names}


def test_every_private_name_is_still_there():
    names = [name.rpartition(".")[::2] for name in PRIVATE]
    names += [(owner, name) for owner, inside in INSIDE.items() for name in inside]
    assert [f"{owner}.{name}" for owner, name in names if not has(owner, name)] == []


def test_what_we_have_our_own_version_of_is_what_it_was_when_we_wrote_that():
    assert {name: fingerprint(name) for name in REPLACED} == REPLACED


@pytest.mark.parametrize("name", ["supervisor.http.tail_f_producer.gone", "supervisor.nothing.at_all"])
def test_a_name_that_is_gone_is_found_to_be_gone(name):
    owner, _, last = name.rpartition(".")
    assert not has(owner, last)
    assert fingerprint(name) == "gone"
