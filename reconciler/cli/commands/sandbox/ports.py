"""Where a sandbox listens unless it is told otherwise."""

CASE_PORT = 8471
RECORD_PORT = 8472
URL_VARIABLE = "RECONCILER_SANDBOX_URL"
