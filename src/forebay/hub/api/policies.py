"""The policies of datasets: which teams read, write and run them, and at which sites their bytes may be."""

from __future__ import annotations

from forebay.hub.api.acting import Acting
from forebay.hub.api.resource import resource
from forebay.hub.api.versioned import agree
from forebay.wire.access import DatasetPolicy

router = resource("policies", "/datasets/{name}/policy")


@router.get("")
def get_policy(hub: Acting, name: str) -> DatasetPolicy:
    """A dataset's policy, an empty one where none was set."""
    return hub.access.policy(name)


@router.put("")
def set_policy(hub: Acting, name: str, policy: DatasetPolicy) -> DatasetPolicy:
    """Replace a dataset's policy."""
    agree(name, policy.dataset)
    return hub.access.set_policy(policy)
