"""Long proofs: whole processes, real kills, and a checker that knows only what was observed."""
