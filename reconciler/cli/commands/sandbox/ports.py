"""Where a sandbox listens unless it is told otherwise, and the variables that say so to the other commands."""

CASE_PORT = 8471
RECORD_PORT = 8472
URL_VARIABLE = "RECONCILER_SANDBOX_URL"
TOKEN_VARIABLE = "RECONCILER_SANDBOX_TOKEN"  # noqa: S105 - the name of a variable
