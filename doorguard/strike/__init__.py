"""The strike: who may energise it, for how long, and how it always comes back."""
