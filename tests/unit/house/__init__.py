"""What holds for the whole house: its walls, its words, its pages, and its faults put in on purpose."""
