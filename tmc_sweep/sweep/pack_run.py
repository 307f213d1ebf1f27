"""A pack's life in the process that trains it: begun with the writer, trained epoch by epoch, checkpointed when due.

`training.Pack` computes; here is what goes between it and the writer. A pack that is too large for the memory goes on
as two halves, which take turns, and these again as halves, down to single trials. Each half begins as any pack does,
from what is on record, so nothing of the larger pack needs to be kept.
"""

import time
from collections import deque
from collections.abc import Sequence
from functools import partial

from tmc_sweep.config import TrialConfig
from tmc_sweep.costs import Engine
from tmc_sweep.data import Images, Split
from tmc_sweep.errors import StorageError
from tmc_sweep.records import EpochRecord
from tmc_sweep.shapes import count_parameters
from tmc_sweep.store.messages import Channel, Failed, Reply, Report, Started, StartTrial
from tmc_sweep.sweep.memory import fits
from tmc_sweep.training import Pack, TrialState, decode, encode
from tmc_sweep.training.provenance import name_of_this_process, of_this_process


class PackRun:
    """The trials of one pack, trained together as far as the memory allows.

    Making one asks the writer to begin the trials, and restores them from their checkpoints.
    """

    def __init__(
        self,
        configs: Sequence[TrialConfig],
        images: Images,
        channel: Channel,
        device: str,
        checkpoint_seconds: float,
        engine: Engine = "eager",
        gpu: float = 0.0,
    ) -> None:
        """`device` is torch's; `gpu`, for the record, is how much of it this process has."""
        self._images = images
        self._channel = channel
        self._device = device
        self._gpu = gpu
        self._engine: Engine = engine
        self._checkpoint_seconds = checkpoint_seconds
        self._checkpointed = time.monotonic()
        self._data: Split | None = None
        self._attempts: dict[str, int] = {}
        self._packs: deque[Pack] = deque()  # each at an epoch's boundary, the next one to train first
        self._begin([configs])

    @property
    def finished(self) -> bool:
        """Whether no member has an epoch left."""
        return not self._packs

    def train_epoch(self) -> None:
        """Train one epoch of every member, and report it.

        Members that are finished, or that the writer refuses, leave their pack. If the sweep is stopped in the middle
        of an epoch, the epoch is dropped. A pack that does not fit into memory is begun again in halves, which train
        their epoch with the next call.
        """
        due = time.monotonic() - self._checkpointed >= self._checkpoint_seconds
        for _ in range(len(self._packs)):
            members = [state.config for state in self._packs[0].states]
            if not fits(partial(self._train_next, due)):
                self._begin(self._halves(members))
        if due:
            self._checkpointed = time.monotonic()
        if self.finished:
            self._channel.flush()

    def close(self) -> None:
        """Checkpoint the members that are unfinished, at their last epoch, and wait until everything is durable."""
        for pack in self._packs:
            self._channel.send(self._reports(pack, [state.history[-1:] for state in pack.states], checkpoint=True))
        self._channel.flush()

    def _begin(self, packs: Sequence[Sequence[TrialConfig]]) -> None:
        """Begin these packs, those that do not fit in halves."""
        for configs in packs:
            if not self._begin_pack(configs):
                self._begin(self._halves(configs))

    def _begin_pack(self, configs: Sequence[TrialConfig]) -> bool:
        """Begin these trials, and whether they fit: if so, what is unfinished of them is a pack now."""
        begun = self._channel.ask([self._start(config, configs) for config in configs])
        self._attempts |= {
            config.trial_id: reply.attempt
            for config, reply in zip(configs, begun, strict=True)
            if isinstance(reply, Started)
        }
        states = [state for pair in zip(configs, begun, strict=True) if (state := self._state(*pair))]
        self._channel.send([self._report(state, state.history, len(states)) for state in states if state.history])
        return fits(partial(self._add_pack, [state for state in states if not state.finished]))

    def _start(self, config: TrialConfig, pack: Sequence[TrialConfig]) -> StartTrial:
        return StartTrial(
            trial_id=config.trial_id,
            pack=tuple(member.trial_id for member in pack),
            n_parameters=count_parameters(config),
            data_checksum=self._images.checksum[:16],
            provenance=of_this_process(self._device, self._engine),
            gpu=self._gpu,
            process=name_of_this_process(),
        )

    def _halves(self, configs: Sequence[TrialConfig]) -> list[Sequence[TrialConfig]]:
        """Two packs in place of one that did not fit into memory; if it was a single trial, none, and it has failed."""
        if len(configs) == 1:
            trial_id = configs[0].trial_id
            self._channel.send([Failed(trial_id, self._attempts[trial_id], _too_large(configs[0], self._device))])
            return []
        self._channel.flush()  # to know which trials a later attempt has taken over: they must not be begun again
        ours = [config for config in configs if config.trial_id not in self._channel.refused]
        middle = (len(ours) + 1) // 2
        return [ours[:middle], ours[middle:]]

    def _state(self, config: TrialConfig, begun: Reply) -> TrialState | None:
        """The state from which a trial goes on; None if it has ended, or fails since its checkpoint cannot be used."""
        if not isinstance(begun, Started):
            return None
        try:
            return decode(begun.checkpoint, config) if begun.checkpoint else TrialState.initial(config)
        except StorageError as error:
            self._channel.send([Failed(config.trial_id, self._attempts[config.trial_id], str(error))])
            return None

    def _add_pack(self, states: Sequence[TrialState]) -> None:
        """Stack the states, if there are any, as the pack whose turn comes last."""
        if states:
            self._data = self._data or Split.of(self._images, states[0].config, self._device)
            attempts = [self._attempts[state.config.trial_id] for state in states]
            pack = Pack(states, self._data, self._device, attempts, self._engine, lambda: self._channel.stopping)
            self._packs.append(pack)

    def _train_next(self, checkpoint: bool) -> None:
        pack = self._packs.popleft()  # what fails in mid-epoch must never be checkpointed
        records = pack.train_epoch()
        if not records:  # the sweep is being stopped
            self._packs.append(pack)
            return
        self._channel.send(self._reports(pack, [[record] for record in records], checkpoint))
        refused = self._channel.refused
        going = [
            index
            for index, state in enumerate(pack.states)
            if not state.finished and state.config.trial_id not in refused
        ]
        if len(going) == len(pack.states) or pack.keep(going):
            self._packs.append(pack)
        else:
            self._add_pack([pack.state(index) for index in going])

    def _reports(self, pack: Pack, records: Sequence[Sequence[EpochRecord]], checkpoint: bool) -> list[Report]:
        return [
            self._report(
                state, of_member, len(pack.states), encode(pack.state(index)) if checkpoint or state.finished else None
            )
            for index, (state, of_member) in enumerate(zip(pack.states, records, strict=True))
            if of_member
        ]

    def _report(
        self, state: TrialState, records: Sequence[EpochRecord], members: int, checkpoint: bytes | None = None
    ) -> Report:
        trial_id = state.config.trial_id
        return Report(trial_id, self._attempts[trial_id], tuple(records), checkpoint, members)


def _too_large(config: TrialConfig, device: str) -> str:
    on_gpu = device.startswith("cuda")
    return (
        f"a trial must fit into {'its share of the GPU' if on_gpu else 'the memory of its machine'}, but trial "
        f"{config.trial_id} alone, with K {config.K} and batch_size {config.batch_size}, needs more: "
        f"{'raise resources.gpu' if on_gpu else 'use a machine with more'}, or lower K or batch_size"
    )
