"""What several commands show: a plan or a cycle, the story of a Case, what to do about a hold, the chain."""
