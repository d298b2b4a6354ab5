"""What a command may meet in a home: circumstances in which nothing is wrong, and others.

Each is a function of the homes to copy from and of an empty folder, and returns what the command works on.
"""

from trials.circumstances.damaged import DAMAGED
from trials.circumstances.masters import Case, Masters, masters_in
from trials.circumstances.other_states import OTHER_STATES
from trials.circumstances.sound import SOUND

WRONG = (*OTHER_STATES, *DAMAGED)

__all__ = ["SOUND", "WRONG", "Case", "Masters", "masters_in"]
