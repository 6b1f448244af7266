"""`POST /api/effects/<type>`: the payload of section 1 of the contract, answered with the receipt."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from effectd.base.errors import EffectMalformed, EffectRefused
from effectd.messages import answers, published
from effectd.messages.answers import Receipt
from effectd.messages.topics import Topics
from page_proc import bodies, replies
from page_proc.orders import Orders, TooMany
from page_proc.replies import Refused

WITHIN_S = 5.0
_OF_ONE_TIME = ("id", "idempotency_key", "message_id", "expires_at")  # meaningless when it is sent again


class Effects:
    """`send` publishes the effect of a request, or of a dead letter that is sent again."""

    def __init__(self, orders: Orders, topics: Topics) -> None:
        self._orders, self._topics = orders, topics

    async def post(self, request: Request) -> Response:
        payload = await bodies.read(request)
        if not payload.strip():
            raise Refused(
                400, 'an effect is needed: {"intensity": 60}, 60 or "low", with Content-Type: application/json'
            )
        return await self.send(request.path_params["type"], payload)

    async def send(self, effect_type: str, payload: bytes, *, effect_id: str | None = None) -> Response:
        """`effect_id`: send it again under this id instead of its own. Raises Refused."""
        try:
            fields = published.fields_of(payload)
            if effect_id is not None:
                fields = {key: value for key, value in fields.items() if key not in _OF_ONE_TIME}
            wanted = published.from_fields(fields, effect_type)
        except EffectMalformed as error:
            raise Refused(400, str(error)) from None
        except EffectRefused as error:  # the dispatcher would refuse it in the same way
            found = effect_id or published.best_id(payload)
            refusal = Receipt(id=found, effect_type=effect_type, status="refused", reason=str(error))
            return replies.raw(answers.encode(refusal), 422)
        if not await self._orders.await_broker():
            raise Refused(503, "no broker: this home's broker is not running, or only just starting")
        known = effect_id or wanted.id
        whole = msgspec.json.encode({key: value for key, value in fields.items() if value is not None} | {"id": known})
        try:
            order = await self._orders.send(known, self._topics.effect(effect_type), whole, WITHIN_S)
        except TooMany:
            raise Refused(429, "too many effects wait for their ends", {"Retry-After": "1"}) from None
        if not order.receipt:
            raise Refused(503, f"no receipt within {WITHIN_S:g} s: the dispatcher does not answer", id=known)
        return replies.raw(order.receipt, _code(order.status))


def _code(status: str) -> int:
    """The HTTP status for the receipt at the time of the answer."""
    return {"done": 200, "refused": 422}.get(status, 409 if status in answers.FINAL else 202)
