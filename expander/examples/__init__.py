"""Posts written for this project, in PsyQA's shape, so that everything can be tried without a data set.

`posts.json` beside this file holds them. They are fiction: no person, no forum and no published post stands behind them.
"""
