"""Ray Tune's trial: one pack, one epoch a step. Rows and checkpoints go to the writer, never through Tune."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from ray import tune

from tmc_sweep.config import TrialConfig
from tmc_sweep.data import Images
from tmc_sweep.sweep.mailbox import MailboxChannel
from tmc_sweep.sweep.memory import free_memory
from tmc_sweep.sweep.pack_run import PackRun


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
        free_memory()
        return True

    def cleanup(self) -> None:
        """Tune stops the trial: keep what it has reached."""
        if self._run is not None:
            self._run.close()
