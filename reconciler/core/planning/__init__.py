"""From what is remembered to a plan: both sides of a link in, a decision out."""
