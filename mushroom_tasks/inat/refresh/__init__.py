"""What a load changes beside the one before it, and the way back."""
