"""amqtt's broker where its public surface has no place for ours: what waits, what is kept, whose turn it is."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from amqtt.broker import Broker
from amqtt.contexts import Action, BrokerConfig
from amqtt.errors import AMQTTError
from amqtt.mqtt.protocol.broker_handler import BrokerProtocolHandler
from amqtt.plugins.base import BaseAuthPlugin, BaseTopicPlugin
from amqtt.session import ApplicationMessage, Session

from hub.broker.accounts import Accounts

MESSAGES_PER_S = (
    1000  # of all publishers; beyond it each waits its turn: one costs half a millisecond that a till may need
)
BURST_S = 0.1  # so much of it at once
KEPT_MAX = 10_000  # messages kept for a session that is away; when full the oldest is forgotten: totals make up for it
DELIVER_MAX = 256  # of these on their way at a time
WAITING_MAX = 1024  # messages taken but not sent on; when full no publisher is read: each waits for its acknowledgement
WAITING_POLL_S = 0.001
SETTLE_TIMEOUT_S = 5.0
LEAVE_TIMEOUT_S = 60.0  # what was acknowledged to who leaves and is not sent on by then is forgotten
QUIET_TIMEOUT_S = 10.0  # a slow machine records thirty a second; a full disk none, and a service has 20 s to stop
HEARD_TIMEOUT_S = 3.0  # the hub's own driver subscribes within a moment of the start


class Rights(BaseAuthPlugin, BaseTopicPlugin):
    """amqtt's questions, answered by the hub's accounts."""

    @dataclass
    class Config:
        """Given by amqtt's configuration. Any: dacite checks no mapping of ours."""

        accounts: Any = None

    async def authenticate(self, *, session: Session) -> bool | None:
        """Who got here has been asked at the door."""
        return self._accounts.knows(session.username, session.password)

    async def topic_filtering(
        self, *, session: Session | None = None, topic: str | None = None, action: Action | None = None
    ) -> bool | None:
        """Whether a session may publish, subscribe or receive."""
        return bool(session and topic and action and self._accounts.may(session.username, topic, action))

    @property
    def _accounts(self) -> Accounts:
        config: Any = self.context.config  # Any: amqtt makes our Config of it
        accounts = config.accounts
        assert isinstance(accounts, Accounts)
        return accounts


class Engine(Broker):
    """`behind` names the sessions that are catching up."""

    def __init__(self, config: BrokerConfig) -> None:
        super().__init__(config)
        self.behind: set[str] = set()
        self._turn_at_s = 0.0
        self._is_quiet = False

    async def turn(self) -> None:
        """Wait until one message more may be taken: MESSAGES_PER_S of them, whoever sends them, and while there is room."""
        now_s = asyncio.get_running_loop().time()
        self._turn_at_s = max(self._turn_at_s, now_s - BURST_S) + 1 / MESSAGES_PER_S
        if self._turn_at_s > now_s:
            await asyncio.sleep(self._turn_at_s - now_s)
        while self._is_quiet or not self.has_room():  # noqa: ASYNC110 - amqtt has no signal for it
            await asyncio.sleep(WAITING_POLL_S)

    async def quiet(self) -> None:
        """Take no message any more, and wait until those who hear have acknowledged what was taken, QUIET_TIMEOUT_S at most."""
        self._is_quiet = True
        await self.settle()
        with suppress(TimeoutError):
            async with asyncio.timeout(QUIET_TIMEOUT_S):
                while self.behind or self.waiting() or self._is_heard():  # noqa: ASYNC110 - amqtt has no signal for it
                    await asyncio.sleep(WAITING_POLL_S)

    def _is_heard(self) -> bool:
        """Whether a message is on its way to a session that is there."""
        return any(
            session.inflight_out and session.transitions.state == "connected" for session, _ in self.sessions.values()
        )

    def has_room(self) -> bool:
        """Whether a publisher may be read on: not too much waits, and what was kept goes out before what is new."""
        return not self.behind and self.waiting() < WAITING_MAX

    async def settle(self, client_id: str | None = None) -> None:
        """Wait until what was taken (from one client, that leaves) is on its way to its sessions, or kept for those away."""
        with suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_TIMEOUT_S if client_id is None else LEAVE_TIMEOUT_S):
                for _ in range(2):  # the second time nothing is between two queues any more
                    await asyncio.sleep(WAITING_POLL_S)
                    while self._is_taking(client_id):  # noqa: ASYNC110 - amqtt has no signal for it
                        await asyncio.sleep(WAITING_POLL_S)

    async def until_heard(self) -> None:
        """Wait until somebody has subscribed: what comes before is acknowledged and heard by nobody."""
        with suppress(TimeoutError):
            async with asyncio.timeout(HEARD_TIMEOUT_S):
                while not self._subscriptions:  # noqa: ASYNC110 - amqtt has no signal for it
                    await asyncio.sleep(WAITING_POLL_S)

    def _is_taking(self, client_id: str | None) -> bool:
        if client_id is not None:
            session = self.sessions.get(client_id)
            return session is not None and session[0].delivered_message_queue.qsize() > 0
        queues = (session.delivered_message_queue for session, _ in self.sessions.values())
        return self._broadcast_queue.qsize() > 0 or any(queue.qsize() for queue in queues)

    def waiting(self) -> int:
        """How many messages were taken and not sent on yet; those that were are cleared away."""
        sent = self._tasks_queue
        while sent and sent[0].done():
            task = sent.popleft()
            if not task.cancelled():
                task.exception()  # a time-out: the message is with its client, who will say so late
        return int(self._broadcast_queue.qsize()) + len(sent)

    async def _handle_disconnect(
        self, client_session: Session, handler: BrokerProtocolHandler, disconnect_waiter: "asyncio.Future[Any]"
    ) -> None:
        """amqtt goes on sending into a closing connection, and forgets what was not acknowledged there."""
        client_session.transitions.disconnect()
        before = list(client_session.inflight_out.values())
        self._keep(client_session, before)
        await super()._handle_disconnect(client_session, handler, disconnect_waiter)
        known = {id(message) for message in before}
        self._keep(client_session, [m for m in client_session.inflight_out.values() if id(m) not in known])

    def _keep(self, session: Session, messages: Sequence[ApplicationMessage]) -> None:
        for message in messages if not session.clean_session else ():
            if session.retained_messages.qsize() < KEPT_MAX:
                session.retained_messages.put_nowait(message)

    async def _retain_broadcast_message(self, broadcast: dict[str, Any], qos: int, target_session: Session) -> None:
        if target_session.retained_messages.qsize() >= KEPT_MAX:
            target_session.retained_messages.get_nowait()
        await super()._retain_broadcast_message(broadcast, qos, target_session)

    async def _publish_session_retained_messages(self, session: Session) -> None:
        handler, kept = self._get_handler(session), session.retained_messages
        while handler is not None and not kept.empty():
            async with asyncio.TaskGroup() as group:
                for _ in range(min(DELIVER_MAX, kept.qsize())):
                    group.create_task(_deliver(handler, kept.get_nowait()), name="kept message")
        self.behind.discard(session.client_id or "")


async def _deliver(handler: BrokerProtocolHandler, kept: ApplicationMessage) -> None:
    with suppress(TimeoutError, AMQTTError):
        await handler.mqtt_publish(kept.topic, kept.data, kept.qos, retain=False)
