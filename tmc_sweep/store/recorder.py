"""The recorder: what each message of who trains changes in the tables, and in which order that becomes durable.

`sweep/writer.py` drives it, in the process that holds the sweep's lock: it hands over messages, commits, and only then
sends the replies. The recorder knows no search: a function that `decide_by` sets is told of the rows that are taken,
and may decide that a cell stops.
"""

import math
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from tmc_sweep.config import TrialConfig
from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import ENDED, FINISHED, MEANS, OPEN, EpochRecord, Status
from tmc_sweep.store.attempts import AttemptTable, name_of_pack
from tmc_sweep.store.checkpoint_budget import DROPPED, CheckpointBudget
from tmc_sweep.store.checkpoints import CheckpointFiles, pass_over
from tmc_sweep.store.earlier import WHY, is_earlier
from tmc_sweep.store.epochs import EpochTable
from tmc_sweep.store.manifest import Decision, name_of, open_manifest, write_manifest
from tmc_sweep.store.messages import Ack, Message, Reply, Report, Started, StartTrial
from tmc_sweep.store.parts import RecomputedEpochError
from tmc_sweep.store.trials import TrialRow, TrialTable

_TRIALS_SECONDS = 5.0  # the longest that counts of epochs wait for a commit of the trial table

# Called with a trial and the rows taken of it; returns what is decided of its cell, or None.
OnRows = Callable[[TrialConfig, Sequence[EpochRecord]], Decision | None]


class Recorder:
    """The tables, checkpoints and decisions of one sweep, as messages change them.

    What a reply acknowledges is durable only after `commit`. Made by `open`.
    """

    def __init__(self, paths: SweepPaths, configs: Sequence[TrialConfig], checkpoint_gigabytes: float) -> None:
        self._paths = paths
        self._epochs = EpochTable.open(paths)
        self._trials = TrialTable.open(paths)
        self._attempts = AttemptTable.open(paths)
        self._manifest = open_manifest(paths)
        self._checkpoints = CheckpointFiles(paths)
        self._budget = CheckpointBudget(self._checkpoints, checkpoint_gigabytes)
        self._configs: dict[str, TrialConfig] = {}
        self._cells: defaultdict[str, list[str]] = defaultdict(list)
        self._know(configs)
        self._on_rows: OnRows = lambda _, __: None
        self._pack_of = {name: pack for pack in self._manifest.packs for name in pack}  # by trial, as it last began
        self._alike_since: dict[str, int] = {}  # first of the attempts whose rows the present one must reproduce
        self._lost: dict[str, Path] = {}  # by trial: checkpoints that the trial table named and that were gone
        self._decisions = dict(self._manifest.decisions)
        self._manifest_changed = False
        self._status_changed = True
        self._trials_committed = time.monotonic()

    @classmethod
    def open(cls, paths: SweepPaths, configs: Sequence[TrialConfig], checkpoint_gigabytes: float = math.inf) -> Self:
        """The recorder of the sweep at `paths`, with these trials put on record; the caller holds the sweep's lock.

        Tables and checkpoints are brought to agree: a run that was killed may have stored one and not the other. Where
        checkpoints take more than these gigabytes, those of finished trials are dropped, the oldest first.

        StorageError if a table is damaged, of another sweep or newer.
        """
        recorder = cls(paths, configs, checkpoint_gigabytes)
        recorder._put_in_order()
        return recorder

    def row(self, trial_id: str) -> TrialRow:
        """The trial's row of the trial table; KeyError if the trial is not on record."""
        row = self._trials.get(trial_id)
        if row is None:
            raise KeyError(trial_id)
        return row

    def last(self, trial_id: str) -> EpochRecord | None:
        """The trial's last epoch on record; None if it has none."""
        return self._epochs.last(trial_id)

    def add(self, configs: Sequence[TrialConfig]) -> None:
        """Put trials on record that were not there when the recorder was opened."""
        self._know(configs)
        self._trials.ensure(configs)
        self._status_changed = True

    def decide_by(self, on_rows: OnRows) -> None:
        """Call this with all rows that are taken from now on; what it decides is on record before they are."""
        self._on_rows = on_rows

    @property
    def decisions(self) -> Mapping[str, Decision]:
        """The last decision of each cell about which one was made, by cell_id."""
        return self._decisions

    @property
    def packs(self) -> tuple[tuple[str, ...], ...]:
        """The packs, as their trials were last begun; a trial that later began in another pack is in that alone."""
        packs = dict.fromkeys(self._pack_of.values())
        return tuple(tuple(member for member in pack if self._pack_of.get(member) == pack) for pack in packs)

    def receive(self, message: Message) -> Reply:
        """Apply one message; the reply, which must not be sent before the next `commit`.

        KeyError if the trial is not on record. After a StorageError the message may be received again.
        """
        if isinstance(message, StartTrial):
            return self._begin(message)
        row = self.row(message.trial_id)
        if row["status"] in (Status.FAILED, Status.STOPPED) or message.attempt != row["attempts"]:
            return Ack(refused=True)
        if isinstance(message, Report):
            return self._report(message)
        self.fail(message.trial_id, message.reason)
        return Ack(refused=False)

    def commit(self) -> None:
        """Make everything received so far durable: first decisions, then rows, then attempts, then the trial table.

        So a decision is on record before the rows that it follows from, about which it would otherwise be made again,
        and the trial table never counts what is not there. It is one file, rewritten whole, so where only counts of
        epochs changed it waits for a few seconds.
        """
        if self._manifest_changed:
            decisions = dict(self._decisions)
            self._manifest = replace(self._manifest, packs=self.packs, decisions=decisions, leaves_out=())
            write_manifest(self._paths, self._manifest)
            self._manifest_changed = False
        self._epochs.commit()
        for trial_id in self._budget.choose(self._trials):
            self._trials.update(trial_id, **DROPPED)
            self._status_changed = True
        if self._status_changed or time.monotonic() - self._trials_committed > _TRIALS_SECONDS:
            self._attempts.commit()
            self._trials.commit()
            self._status_changed, self._trials_committed = False, time.monotonic()
            self._budget.drop()

    @property
    def lost(self) -> Mapping[str, Path]:
        """By trial, the checkpoints that the trial table named when it was opened and that were gone."""
        return self._lost

    def fail(self, trial_id: str, reason: str) -> None:
        """Record that training of the trial ended with an error, unless it had already ended otherwise."""
        if self.row(trial_id)["status"] in OPEN:
            self._set_status(trial_id, Status.FAILED, reason=reason, ended=datetime.now(UTC))

    def stop_earlier(self) -> None:
        """Record that unfinished trials of an earlier numerics version are stopped: no code trains them any more."""
        for row in list(self._trials):
            if row["status"] in OPEN and is_earlier(row):
                reason = f"trained no further, since {WHY}"
                self._set_status(row["trial_id"], Status.STOPPED, reason=reason, ended=datetime.now(UTC))

    def release(self, now: datetime | None = None) -> None:
        """Record that nothing is running any more, since `now` or, if None, since a time that is not known.

        Trials that were running are pending again.
        """
        for row in list(self._trials):
            if row["status"] == Status.RUNNING:
                self._set_status(row["trial_id"], Status.PENDING)
        self._attempts.interrupt_all(now)

    def mend(self, trial_id: str, history: Sequence[EpochRecord]) -> None:
        """Take from a checkpoint's history, which begins at epoch 1, the rows that the table lacks.

        They were lost, or the checkpoint's attempt was about to replace them.
        """
        if len(history) > self._epochs.epochs_done.get(trial_id, 0):
            self._epochs.add(self._configs[trial_id], history, replace_before=history[-1].attempt)
            self._settle(trial_id)
            self._stop_if_decided(self._configs[trial_id].cell_id)

    def _put_in_order(self) -> None:
        """Let the trial table agree with the trials asked for, with the checkpoints and with the rows; then commit."""
        self._trials.ensure(self._configs.values())
        self.release()  # a run that was killed left its trials as running
        for row in list(self._trials):
            self._name_checkpoint(row["trial_id"])
            self._settle(row["trial_id"])
        for cell in self._decisions:
            self._stop_if_decided(cell)
        self.commit()

    def _begin(self, message: StartTrial) -> Reply:
        row = self.row(message.trial_id)
        if row["status"] in FINISHED:
            return Ack(refused=True)
        newest = self._checkpoints.latest(message.trial_id)  # first: if it fails, the message is received again
        if lost := self._lost.pop(message.trial_id, None):
            pass_over(lost, "it is missing")
        attempt, now = row["attempts"] + 1, datetime.now(UTC)
        self._alike_since[message.trial_id] = self._since(message, attempt)
        is_copy = bool(self._manifest.leaves_out)  # from now on no more: its tables name nothing that is not here
        self._manifest_changed |= is_copy or self._pack_of.get(message.trial_id) != message.pack
        self._pack_of[message.trial_id] = message.pack
        means = {"pack_size": len(message.pack), "gpu": message.gpu, **vars(message.provenance)}
        self._set_status(
            message.trial_id,
            Status.RUNNING,
            reason=None,
            attempts=attempt,
            started=now,
            ended=None,
            search_space=name_of(self._manifest.search_space) if self._manifest.search_space else None,
            n_parameters=message.n_parameters,
            data_checksum=message.data_checksum,
            **means,
        )
        self._attempts.begin(
            {
                "trial_id": message.trial_id,
                "attempt": attempt,
                "pack": name_of_pack(message.pack),
                "process": message.process,
                "began": now,
                **means,
            }
        )
        self._budget.keep(message.trial_id)
        return Started(attempt, newest[1] if newest else None)

    def _since(self, message: StartTrial, attempt: int) -> int:
        """The first attempt of those, up to this one, that all trained by the same means, and so gave the same bits.

        An attempt whose means are not on record, as of 0.1.0, may have trained by others. Only eager training on a CPU
        gives the same bits each time.
        """
        now = message.provenance
        if (now.device, now.engine) != ("cpu", "eager"):
            return attempt
        while (earlier := self._attempts.get(message.trial_id, attempt - 1)) and all(
            earlier[name] == getattr(now, name) for name in MEANS
        ):
            attempt -= 1
        return attempt

    def _report(self, report: Report) -> Ack:
        since = self._alike_since[report.trial_id]
        try:
            unchanged = self._epochs.check(report.trial_id, report.records, replace_before=since)
        except RecomputedEpochError as error:
            self.fail(report.trial_id, str(error))
            return Ack(refused=True)
        if report.checkpoint is not None:  # durable at once, before its rows are taken: if it fails, they are not
            epoch = report.records[-1].epoch
            path = self._checkpoints.save(report.trial_id, epoch, report.checkpoint)
            self._trials.update(
                report.trial_id, checkpoint_epoch=epoch, checkpoint=str(path.relative_to(self._paths.results))
            )
        self._epochs.take(self._configs[report.trial_id], report.records, unchanged)
        self._settle(report.trial_id)
        self._decide(self._configs[report.trial_id], report.records)
        if report.checkpoint is not None:
            self._budget.saved(report.trial_id, finished=self.row(report.trial_id)["status"] in FINISHED)
        return Ack(refused=False)

    def _decide(self, config: TrialConfig, records: Sequence[EpochRecord]) -> None:
        """Ask what is decided about the trial's cell, keep it, and stop the cell's trials if it says so."""
        if decision := self._on_rows(config, records):
            self._decisions[config.cell_id] = decision
            self._manifest_changed = True
        self._stop_if_decided(config.cell_id)

    def _stop_if_decided(self, cell: str) -> None:
        """Stop the cell's trials if that was decided, and all that did not diverge have come to the decision's epoch.

        After rows were lost they may have to come there again first.
        """
        decision, rows = self._decisions.get(cell), [self.row(trial_id) for trial_id in self._cells[cell]]
        if decision is None or decision.stop is None:
            return
        reached = min((row["epochs_done"] for row in rows if row["status"] != Status.DIVERGED), default=0)
        for row in rows:
            if reached >= decision.epoch and row["status"] in OPEN:
                self._set_status(row["trial_id"], Status.STOPPED, reason=decision.stop, ended=datetime.now(UTC))

    def _is_stopped_by_decision(self, row: TrialRow) -> bool:
        """Whether a trial was stopped by a decision on record, so that it will be stopped again when it comes there."""
        decision = self._decisions.get(row["cell_id"])
        return row["status"] == Status.STOPPED and decision is not None and decision.stop is not None

    def _know(self, configs: Sequence[TrialConfig]) -> None:
        for config in configs:
            if config.trial_id not in self._configs:
                self._cells[config.cell_id].append(config.trial_id)
            self._configs[config.trial_id] = config

    def _name_checkpoint(self, trial_id: str) -> None:
        """Let the trial table name the trial's newest checkpoint: a crash may have come between the two."""
        row, stored = self.row(trial_id), self._checkpoints.stored(trial_id)
        epoch, path = stored[0] if stored else (None, None)
        name = str(path.relative_to(self._paths.results)) if path else None
        if row["checkpoint"] == name:
            return
        if row["checkpoint"] and (epoch or 0) < row["checkpoint_epoch"]:
            self._lost[trial_id] = self._paths.results / row["checkpoint"]
        self._trials.update(trial_id, checkpoint_epoch=epoch, checkpoint=name)
        self._status_changed = True

    def _settle(self, trial_id: str) -> None:
        """Let a trial's status follow from its rows, which say how far it is, and whether it is done or diverged."""
        row = self.row(trial_id)
        done = self._epochs.epochs_done.get(trial_id, 0)
        if done != row["epochs_done"]:
            lost = done < row["epochs_done"]
            self._status_changed |= lost  # it never counts rows that are not there
            self._trials.update(trial_id, epochs_done=done)
            if lost and (row["status"] == Status.DIVERGED or self._is_stopped_by_decision(row)):
                self._set_status(trial_id, Status.PENDING, reason=None, ended=None)
        if row["status"] == Status.DONE and done < row["epochs"]:
            self._set_status(trial_id, Status.PENDING, ended=None)  # rows were lost, or more are asked for
        if row["status"] not in OPEN or not done:
            return
        last = self._epochs.last(trial_id)
        if last is not None and last.attempt > row["attempts"]:  # the trial table was lost
            self._trials.update(trial_id, attempts=last.attempt)
            self._status_changed = True
        if last is not None and last.diverged:
            self._set_status(trial_id, Status.DIVERGED, reason=f"not finite in epoch {done}", ended=datetime.now(UTC))
        elif done >= row["epochs"]:
            self._set_status(trial_id, Status.DONE, reason=None, ended=datetime.now(UTC))

    def _set_status(self, trial_id: str, status: Status, **columns: object) -> None:
        self._trials.update(trial_id, status=status, **columns)
        if status in ENDED:
            self._attempts.end(trial_id, status, datetime.now(UTC))
        self._status_changed = True
