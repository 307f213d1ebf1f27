"""Ray Tune's trial: one pack, one epoch a step. Rows and checkpoints go to the writer, never through Tune."""

import gc
import platform
import socket
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import torch
from ray import tune

from tmc_sweep.config import TrialConfig
from tmc_sweep.data import Images, Split
from tmc_sweep.errors import StorageError
from tmc_sweep.models import count_parameters
from tmc_sweep.records import EpochRecord
from tmc_sweep.sweep.letters import Begin, Begun, Channel, Failed, Reply, Report
from tmc_sweep.sweep.mailbox import MailboxChannel
from tmc_sweep.training import Pack, TrialState, decode, encode


class PackRun:
    """A pack's life from its letters' side: begun with the writer, trained epoch by epoch, checkpointed when due."""

    def __init__(
        self, configs: Sequence[TrialConfig], images: Images, channel: Channel, device: str, checkpoint_seconds: float
    ) -> None:
        self._channel = channel
        self._device = device
        self._checkpoint_seconds = checkpoint_seconds
        self._checkpointed = time.monotonic()
        self._data = Split.of(images, configs[0], device)
        begun = channel.ask([_begin(config, images, device) for config in configs])
        self._attempts = {
            config.trial_id: reply.attempt
            for config, reply in zip(configs, begun, strict=True)
            if isinstance(reply, Begun)
        }
        states = [state for pair in zip(configs, begun, strict=True) if (state := self._state(*pair))]
        channel.send([self._report(state, state.history) for state in states if state.history])
        self._pack = self._stack([state for state in states if not state.finished])

    @property
    def finished(self) -> bool:
        """Whether no member has an epoch left."""
        return self._pack is None

    def train_epoch(self) -> None:
        """One epoch of every member, reported; members that are finished, or refused by the writer, leave the pack."""
        pack, self._pack = self._pack, None  # what fails in mid-epoch must never be checkpointed
        if pack is not None:
            records = pack.train_epoch()
            due = time.monotonic() - self._checkpointed >= self._checkpoint_seconds
            self._channel.send(self._reports(pack, [[record] for record in records], due))
            self._pack = self._going_on(pack)
        if self._pack is None:
            self._channel.flush()

    def close(self) -> None:
        """Checkpoint what is unfinished at its last epoch, and wait until everything sent is durable."""
        if self._pack is not None and any(state.history for state in self._pack.states):
            self._channel.send(self._reports(self._pack, [state.history[-1:] for state in self._pack.states], due=True))
        self._channel.flush()

    def _state(self, config: TrialConfig, begun: Reply) -> TrialState | None:
        """Where the trial goes on; None, and the trial has failed, if its checkpoint cannot be used."""
        checkpoint = begun.checkpoint if isinstance(begun, Begun) else None
        try:
            return decode(checkpoint, config) if checkpoint else TrialState.initial(config)
        except StorageError as error:
            self._channel.send([Failed(config.trial_id, self._attempts[config.trial_id], str(error))])
            return None

    def _going_on(self, pack: Pack) -> Pack | None:
        refused = self._channel.refused
        going = [
            index
            for index, state in enumerate(pack.states)
            if not state.finished and state.config.trial_id not in refused
        ]
        return pack if len(going) == len(pack.states) else self._stack([pack.state(index) for index in going])

    def _stack(self, states: Sequence[TrialState]) -> Pack | None:
        attempts = [self._attempts[state.config.trial_id] for state in states]
        return Pack(states, self._data, self._device, attempts) if states else None

    def _reports(self, pack: Pack, records: Sequence[Sequence[EpochRecord]], due: bool) -> list[Report]:
        if due:
            self._checkpointed = time.monotonic()
        return [
            self._report(state, of_member, encode(pack.state(index)) if due or state.finished else None)
            for index, (state, of_member) in enumerate(zip(pack.states, records, strict=True))
            if of_member
        ]

    def _report(self, state: TrialState, records: Sequence[EpochRecord], checkpoint: bytes | None = None) -> Report:
        trial_id = state.config.trial_id
        return Report(trial_id, self._attempts[trial_id], tuple(records), checkpoint)


def _begin(config: TrialConfig, images: Images, device: str) -> Begin:
    packages = " ".join(f"{name} {version(name)}" for name in ("tmc-sweep", "torch", "ray"))
    return Begin(
        trial_id=config.trial_id,
        n_parameters=count_parameters(config),
        host=socket.gethostname(),
        device=torch.cuda.get_device_name() if device.startswith("cuda") else device,
        threads=torch.get_num_threads(),
        data_checksum=images.checksum[:16],
        versions=f"{packages} python {platform.python_version()}",
    )


class PackTrainable(tune.Trainable):
    """The thin adapter between Tune's class interface and PackRun.

    A pack begins with its first step: Tune may set up a process for a trial and then give that trial to another one.
    """

    def setup(  # type: ignore[override]  # `with_parameters` passes the rest
        self,
        config: dict[str, Any],
        *,
        packs: Sequence[Sequence[TrialConfig]],
        images: Mapping[str, Images],
        mailbox: Any,
        cpu: float,
        gpu: float,
        checkpoint_seconds: float,
    ) -> None:
        """Be ready for the pack numbered `config["pack"]`, on a GPU if given a share of one."""
        torch.set_num_threads(max(1, int(cpu)))
        if 0 < gpu < 1:
            torch.cuda.set_per_process_memory_fraction(gpu)

        def begin(number: int) -> PackRun:
            configs = packs[number]
            device = "cuda" if gpu else "cpu"
            return PackRun(configs, images[configs[0].data], MailboxChannel(mailbox), device, checkpoint_seconds)

        self._begin = begin
        self._pack = config["pack"]
        self._run: PackRun | None = None

    def step(self) -> dict[str, Any]:
        """One epoch of every member."""
        self._run = self._run or self._begin(self._pack)
        self._run.train_epoch()
        return {"done": self._run.finished}

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Be ready for another pack in this process, having freed the last one's memory."""
        self._pack = new_config["pack"]
        self._run = None
        gc.collect()
        if torch.cuda.is_initialized():
            torch.cuda.empty_cache()
        return True

    def cleanup(self) -> None:
        """Tune stops the trial: keep what it has reached."""
        if self._run is not None:
            self._run.close()
