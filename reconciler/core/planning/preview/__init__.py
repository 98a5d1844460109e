"""What a config, or the next cycle, would do, shown before anything is done."""
