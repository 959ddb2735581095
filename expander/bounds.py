"""What a number, a switch or a list may be on the command line, for `Annotated[int, POSITIVE]`. One bound, said once."""

from __future__ import annotations

from cyclopts import Parameter
from cyclopts.validators import Number

_LARGEST = 1e12  # no infinity; no number of anything here is larger

POSITIVE = Parameter(validator=Number(gt=0, lte=_LARGEST))
COUNT = Parameter(validator=Number(gte=0, lte=_LARGEST))
SHARE = Parameter(validator=Number(gt=0, lte=1))
SECONDS = Parameter(validator=Number(gte=0.001, lte=1e9))
A_MINUTE = Parameter(validator=Number(gte=0.001, lte=1e9))
TOKENS = Parameter(validator=Number(gt=0, lt=2**31))  # what servers keep in 32 bits
TEMPERATURE = Parameter(validator=Number(gte=0, lte=2))  # what OpenAI's API takes
IN_FLIGHT = Parameter(validator=Number(gt=0, lte=10_000))  # a socket each: a process may seldom have more
SAMPLES = Parameter(validator=Number(gt=0, lte=10_000))  # of one post; their ids are made together
SEED = Parameter(validator=Number(gte=-(2**63), lt=2**63))  # what JSON readers agree on
DRAW_SEED = Parameter(validator=Number(gte=0, lt=2**32))  # what every generator of random numbers here takes
MANY = Parameter(negative="", show_default=False)
"""Several of an option; none of them needs a `--no-` form."""
FLAG = Parameter(negative="")
