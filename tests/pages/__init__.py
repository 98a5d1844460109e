"""What is generated in the documentation: the reference of the commands, and the picture of the demo."""
