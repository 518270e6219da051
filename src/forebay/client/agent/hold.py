"""Until when the runs of a site may go on, and telling their engine so in time."""

from __future__ import annotations

import threading

from forebay.errors import ForebayError, NotFoundError
from forebay.log import get_logger
from forebay.runs.executors.protocol import Executor, JobKey

_log = get_logger("agent")


class Hold:
    """One of a site. Its thread tells the executor of every job that is watched; a slow engine delays only that."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._changed = threading.Condition()
        self._until, self._grace_s = 0.0, 0.0
        self._told: dict[JobKey, float] = {}
        threading.Thread(target=self._run, name="forebay-hold", daemon=True).start()

    @property
    def until(self) -> float:
        """Seconds since boot; what begins after that is ended at once."""
        return self._until

    @property
    def grace_s(self) -> float:
        """How long a job may then take to end."""
        return self._grace_s

    def renew(self, until: float, grace_s: float) -> None:
        with self._changed:
            self._until, self._grace_s = until, grace_s
            self._changed.notify()

    def watch(self, key: JobKey) -> None:
        """This job may go on as long as the hold lasts."""
        with self._changed:
            self._told.setdefault(key, 0.0)
            self._changed.notify()

    def unwatch(self, key: JobKey) -> None:
        with self._changed:
            self._told.pop(key, None)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: any(until < self._until for until in self._told.values()))
                until = self._until
                due = [key for key, told in self._told.items() if told < until]
                self._told.update(dict.fromkeys(due, until))
            for key in due:
                self._tell(key, until)

    def _tell(self, key: JobKey, until: float) -> None:
        try:
            self._executor.renew(key, until)
        except NotFoundError:
            self.unwatch(key)
        except (ForebayError, OSError) as error:
            # The next beat renews it again, long before it is over. Where it was just forgotten, nothing is lost.
            if key in self._told:
                _log.warning("renew-failed", job=key.name, error=str(error))
