"""Send requests and interpret their answers: the only user of requests and of tenacity."""
