"""`wire.retention.Retention` of a served hub."""

from __future__ import annotations

from forebay.client.remote.connection import Connection, of_dataset
from forebay.wire.catalog import Version
from forebay.wire.retention import RetentionPlan, RetentionPolicy


class RemoteRetention:
    """Implements `wire.retention.Retention`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def policy(self, dataset: str) -> RetentionPolicy:
        return self._connection.get(RetentionPolicy, of_dataset(dataset, "retention"))

    def set_policy(self, policy: RetentionPolicy, by: str = "") -> RetentionPolicy:
        body = {"keep_last": policy.keep_last, "keep_days": policy.keep_days, "by": by}
        return self._connection.write(RetentionPolicy, "PUT", of_dataset(policy.dataset, "retention"), body)

    def plan(self, dataset: str, proposed: RetentionPolicy | None = None) -> RetentionPlan:
        query = None
        if proposed is not None:
            given = {"keep_last": proposed.keep_last, "keep_days": proposed.keep_days}
            query = {"proposed": "true", **{name: str(value) for name, value in given.items() if value is not None}}
        return self._connection.get(RetentionPlan, of_dataset(dataset, "retention", "plan"), query)

    def apply(self, dataset: str, by: str = "") -> RetentionPlan:
        return self._connection.write(
            RetentionPlan, "POST", of_dataset(dataset, "retention", "application"), {"by": by}, once=True
        )

    def retire(self, dataset: str, number: int, reason: str, by: str = "") -> Version:
        address = of_dataset(dataset, "versions", number, "retirement")
        return self._connection.write(Version, "PUT", address, {"reason": reason, "by": by}, once=True)

    def restore(self, dataset: str, number: int, by: str = "") -> Version:
        return self._connection.write(
            Version, "DELETE", of_dataset(dataset, "versions", number, "retirement"), query={"by": by}, once=True
        )
