"""What every test shares: how hypothesis searches.

Machines that run the tests are shared, so no example has a deadline; under `CI` the search is the
same each time, elsewhere it is new and prints what reproduces a failure.
"""

import os

import hypothesis

hypothesis.settings.register_profile(
    "assay",
    deadline=None,
    print_blob=True,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("assay")
