"""Every error Baton raises on purpose.

The command line turns a `BatonError` into one sentence on standard error and its `exit_code`;
anything else is a bug and keeps its traceback. A message says what was wrong, with what value, and
what to do about it.
"""

from __future__ import annotations


class BatonError(Exception):
    """Root of the tree. `exit_code` is what the command line ends with."""

    exit_code = 1


# --- 2: wrong use or bad input -----------------------------------------------------------------


class InvalidInput(BatonError):
    """The user gave something that cannot be used; nothing was changed."""

    exit_code = 2


class ConfigError(InvalidInput):
    """A preset, config file, `--set` or environment variable holds something unusable."""


class ChangesNothing(ConfigError):
    """A setting that decides nothing in an arm: its row would look like a finding. because: of which arms that is, the
    end of a sentence. row: the arm's name."""

    def __init__(self, sentence: str, because: str, row: str) -> None:
        super().__init__(sentence)
        self.because = because
        self.row = row


class DatasetError(InvalidInput):
    """A CALVIN folder or one of its files is missing, damaged or inconsistent."""


class WronglySaid(DatasetError):
    """What a user says of a dataset (its columns, scenes, episodes) cannot be."""


class UnsafePickle(DatasetError):
    """A pickle asks for something other than numpy and builtin containers; nothing in it was run."""


class CheckpointError(InvalidInput):
    """A checkpoint does not fit the model: missing, extra or misshapen tensors, damaged file."""


class NotFinite(CheckpointError):
    """A model gave NaN or an infinity where an action or a figure would be made of it."""


class HomeInUse(InvalidInput):
    """Another command already runs this home."""


class StateDamaged(InvalidInput):
    """The file that holds the state is not what Baton wrote there; the message names the way back."""


class StoreOfAnother(InvalidInput):
    """The files in a home's store belong to another state than the one that was named; nothing was removed."""


class OtherBuild(InvalidInput):
    """An open ablation wants other versions of its bodies than this build of Baton has."""


class Overtaken(InvalidInput):
    """Somebody else changed what this was planned for; planning again finds what is there now."""


class BundleError(InvalidInput):
    """A bundle is damaged, unsafe, or does not continue this home; the home is as it was."""


class CodeNotAllowed(InvalidInput):
    """Work asks for source of somebody's own that nobody here has allowed; none of it was run."""


# --- 3: the environment lacks something ---------------------------------------------------------


class EnvironmentLacks(BatonError):
    """Something must be installed or started first; the message says what and how."""

    exit_code = 3


class WeightsMissing(EnvironmentLacks):
    """Pretrained weights were asked for and are not on this machine."""


class SimulatorMissing(EnvironmentLacks):
    """A simulator or its assets are not on this machine."""


# --- 4: stopped before the end ------------------------------------------------------------------


class Stopped(BatonError):
    """The command ended before the work did; `up` continues it from what was saved, which the message says."""

    exit_code = 4


class DiskFull(Stopped):
    """No byte more fits where the home lies. What was committed is safe; go on once there is room."""


class StateLost(Stopped):
    """The server that holds the state went away. What was committed is safe; go on once it is back."""


class StateBusy(Stopped):
    """Another writer held the state for longer than is waited for it. Nothing was written."""


class StoreUnreachable(Stopped):
    """The store that machines share does not answer or refuses. Go on once it does."""


class HubUnreachable(Stopped):
    """The Hub, or the network on the way to it, brings nothing. What came is kept; go on once it does."""


# --- while running -------------------------------------------------------------------------------


class SimulatorError(BatonError):
    """A simulator was driven into something it cannot do (unknown task, bad action, dead process)."""


class SimulatorLost(SimulatorError):
    """A simulator's process died or hung; its next reset starts another, and the sequence is done again."""


class PolicyServerError(BatonError):
    """A policy server did not answer, or answered with something that is no action."""


class NoPolicyThere(PolicyServerError):
    """A server answered that its policy is not at the address that the user gave."""

    exit_code = 2


class TrainingDiverged(BatonError):
    """The loss is no longer a number; the last good checkpoint is kept."""


class RanksLost(BatonError):
    """A rank of a job that trains over several devices died or stands still; the attempt is taken up again."""


class NodeUnreachable(BatonError):
    """Machines that compute one attempt do not reach each other, or one of them is gone."""


class ArtifactDamaged(BatonError):
    """The bytes of an artifact do not have the digest its row states, or are gone. `path` is as in its row."""

    def __init__(self, message: str, path: str) -> None:
        super().__init__(message)
        self.path = path


class StoreBusy(BatonError):
    """Bytes cannot be removed now, as some process is between putting files and naming them in a row."""


class IllegalMove(BatonError):
    """A job was asked to leave a state that it is not in."""


class LeaseLost(BatonError):
    """This attempt no longer holds its job: whatever it wrote is not a fact."""
