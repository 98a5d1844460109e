"""The Cases API of a Coralogix world: what a request asks, and what it gets."""
