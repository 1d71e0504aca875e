"""Routing assertions: what a router must do, in a routing_tests.yaml that pytest runs.

`schema` and `reading` are the file; `engine` runs its tests against a router and knows nothing of
pytest; `plugin` is the one module that does. Nothing is imported here: pytest imports this package
whenever it starts, also where no such file is.
"""

__all__: list[str] = []
