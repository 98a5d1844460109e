"""DECIDES. Pure: no I/O, no clock, no log; imports nothing of ours from outside this folder."""
