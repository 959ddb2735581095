"""Arms of an ablation held against each other: what they keep, what that costs, and what it buys."""
