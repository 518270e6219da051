"""What forebay's own tests and benchmarks are made with: real servers, an awkward origin, contract suites, strategies.

May import everything; nothing in the product imports it.
"""
