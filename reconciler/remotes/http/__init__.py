"""How a request leaves and what its answer means: the only user of requests and of tenacity."""
