"""A site's agent: does there what the hub orders. `machine` decides; `loop` carries it out; `journal` remembers."""
