"""SPEAKS to the two services. ``ports`` has what the rest of the program may ask of them."""
