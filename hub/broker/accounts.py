"""Who may come in to the embedded broker, and what they may do there."""

from dataclasses import dataclass

from amqtt.contexts import Action

from hub.mqtt_rights import may_publish, store_prefixes
from hub.settings.file import MqttSection
from hub.store.staff.tills import secret_hash
from hub.tokens import Tokens

NAME_MAX = 64  # characters of a user name or client id in the log


@dataclass(frozen=True, slots=True)
class Accounts:
    """Who may come in, and what they may do. `tokens` are the hub's own and change while it runs."""

    store_id: str
    section: MqttSection
    tokens: Tokens

    def knows(self, username: str | None, password: str | None) -> bool:
        """Whether this is the [mqtt] account or a paired device with its token."""
        if not username or not password:
            return False
        if self.is_own(username):
            return secret_hash(password) == secret_hash(self.section.password)
        paired = self.tokens.holder(password)
        return paired is not None and paired.scope == "device" and paired.till_id == username

    def may(self, username: str | None, topic: str, action: Action) -> bool:
        """Whether an account may publish to, subscribe to or receive a topic."""
        if self.is_own(username):
            return topic.startswith(store_prefixes(self.store_id))
        device = self.tokens.client(username or "")
        return action is Action.PUBLISH and device is not None and may_publish(self.store_id, device, topic)

    def is_own(self, username: str | None) -> bool:
        """Whether this is the [mqtt] account."""
        return bool(self.section.username) and username == self.section.username

    def shown(self, name: str | None) -> str:
        """Return a name as the log may show it: short, printable, no secret that stands in the wrong field."""
        if name and (name == self.section.password or self.tokens.is_good(name)):
            return "(a secret)"
        return "".join(filter(str.isprintable, name or ""))[:NAME_MAX]
