"""Names of measured points that layers above and below one another must tell apart."""

from __future__ import annotations

#: Points whose names begin so are read by the body that measured them, and by nobody else: a curve for each
#: demonstration would be hundreds. What follows is the demonstration's number in the split.
OF_DEMONSTRATION = "validation_by_demonstration/"
