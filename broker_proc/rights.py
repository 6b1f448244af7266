"""Checks rights: by the session's grant, and for clients that came by a port also by the plugins.

A plugin is asked once for each session, action and topic; the answer is kept with the session. Until it is known `may`
returns None and the caller raises MustAsk, which makes that one connection wait for `ask` and try again.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from broker_proc.sessions import Session

if TYPE_CHECKING:
    from broker_proc.plugins import Plugins

REMEMBERED = 4096  # answers a session

Ask = Callable[[], Awaitable[None]]
Question = tuple[Session, str, str]  # who, action, topic or filter


class MustAsk(Exception):
    """An answer is not known yet; `ask` finds it out."""

    def __init__(self, ask: Ask) -> None:
        super().__init__()
        self.ask = ask


class Rights:
    """Every publish, subscription and delivery is checked here."""

    def __init__(self, plugins: "Plugins | None" = None) -> None:
        self._plugins = plugins if plugins is not None and plugins.filters else None

    def may(self, session: Session, action: str, topic: str) -> bool | None:
        """None: a plugin has to be asked first."""
        if not session.grant.may(action, topic):
            return False
        if self._plugins is None or session.trusted:
            return True
        return session.answers.get((action, topic))

    def check(self, questions: Sequence[Question]) -> list[bool]:
        """The answers to all of them. Raises MustAsk if one is not known yet."""
        if self._plugins is None:
            return [session.grant.may(action, topic) for session, action, topic in questions]
        answers = [self.may(*question) for question in questions]
        if None in answers:
            unknown = [question for question, answer in zip(questions, answers, strict=True) if answer is None]
            raise MustAsk(self.ask(unknown))
        return [bool(answer) for answer in answers]

    def ask(self, questions: Sequence[Question]) -> Ask:
        """A function that finds the answers out."""
        return lambda: self._ask(questions)

    async def _ask(self, questions: Sequence[Question]) -> None:
        assert self._plugins is not None
        for session, action, topic in questions:
            answer = await self._plugins.may(session.plugin_session, action, topic)
            if len(session.answers) >= REMEMBERED:
                session.answers.clear()
            session.answers[action, topic] = answer
