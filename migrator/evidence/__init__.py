"""What others can check: who approved what, and what exactly was moved."""
