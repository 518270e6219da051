"""`wire.rules.Rules` of a served hub."""

from __future__ import annotations

from forebay.client.remote.connection import Connection, at
from forebay.wire.codec import to_json
from forebay.wire.rules import NewRule, Rule


class RemoteRules:
    """Implements `wire.rules.Rules`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def all(self) -> list[Rule]:
        return self._connection.pages(Rule, at("rules"))

    def get(self, rule_id: str) -> Rule:
        return self._connection.get(Rule, at("rules", rule_id))

    def add(self, new: NewRule) -> Rule:
        return self._connection.write(Rule, "POST", at("rules"), to_json(new), once=True)

    def remove(self, rule_id: str) -> Rule:
        return self._connection.write(Rule, "DELETE", at("rules", rule_id), once=True)
