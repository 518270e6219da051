"""A world in memory, as in the tests of the engine."""

from tests.integration.engine.conftest import root

__all__ = ["root"]
