"""The hub: the control plane. It decides and remembers, and never carries dataset bytes."""
