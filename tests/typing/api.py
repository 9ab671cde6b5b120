"""What users write, held by the type checkers and never run."""
