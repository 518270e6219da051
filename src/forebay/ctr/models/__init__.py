"""The models of the reference workload: one module a model, and one way to save, load and ask any of them."""
