"""Send requests and interpret their answers: the only user of tenacity and, but for the sandbox, of requests."""
