"""Messages whose fix needs a cluster, a network, another machine or another file: the test that meets each of them.

`OBEYED` there does what the message says; of `MET` the fix is a person's to make, and the test has the message.
"""

_NODES, _SERVER, _SSH = "cluster/test_node_checks.py::", "cluster/test_server.py::", "cluster/test_ssh.py::"
_ADDITIONS = "test_additions.py::"
_LAUNCHER, _SESSION, _JOBS = "cluster/test_launcher.py::", "sweep/test_session.py::", "cluster/test_jobs.py::"
_IMAGES, _READS, _BATCHES = "images/test_images.py::", "images/test_file_reads.py::", "images/test_batches.py::"

OBEYED = {
    "a model must give factors that bounds can take": "models/test_interface.py::"
    "test_what_does_not_go_together_is_found_without_training_and_once_corrected_passes",
    "a model must be made of its configuration": "models/test_interface.py::"
    "test_a_module_that_cannot_be_called_so_is_refused_until_it_can_be",
    "analyse needs a model with sample and decode": "test_own_models.py::test_a_family_of_models",
    "space/own.py:{}, but got {}: choose {}, or name it": "test_own_models.py::"
    "test_fields_that_do_not_go_with_an_entry_are_refused_where_they_stand",
    "must be left out for model": "test_own_models.py::"
    "test_fields_that_do_not_go_with_an_entry_are_refused_where_they_stand",
    "a model must be one of torch's modules": "models/test_interface.py::"
    "test_a_module_that_cannot_be_called_so_is_refused_until_it_can_be",
    "a model must say how wide its noise is": "models/test_interface.py::"
    "test_a_module_that_cannot_be_called_so_is_refused_until_it_can_be",
    "a model must keep nothing but parameters": "models/test_interface.py::"
    "test_a_module_that_cannot_be_called_so_is_refused_until_it_can_be",
    "a GPU must be able to replay a step": "training/test_engine.py::"
    "test_a_step_that_cannot_be_captured_is_called_if_one_asks_for_that",
    "must be said where data is of one's own": _ADDITIONS + "test_sizes_are_said_where_they_cannot_be_looked_up",
    "images/load.py:{} must be readable here": _ADDITIONS + "test_a_reader_that_is_none_is_corrected",
    "must be read as four arrays of uint8": _ADDITIONS + "test_a_reader_that_is_none_is_corrected",
    "must make a sampler of Optuna's": _ADDITIONS + "test_a_sampler_that_is_none_is_corrected",
    "a {} of one's own must be importable": "test_registry.py::test_what_cannot_be_imported_is_refused_until_it_can_be",
    "a {} of one's own must be {}, but": "test_registry.py::test_what_is_none_of_its_kind_is_refused_until_it_is_named",
    "resources.alone gives each trial a process": "sweep/test_inline.py::"
    "test_each_trial_in_a_process_of_its_own_is_refused_until_that_is_not_asked_for",
    "sweep/runner.py:: use one of them": "sweep/test_inline.py::"
    "test_another_executor_is_refused_with_the_choices_and_one_of_them_trains",
    "--cluster trains on the Ray of": "cli/test_forward.py::test_what_trains_there_is_ray",
    "this needs the package ray": "sweep/test_inline.py::"
    "test_where_ray_is_missing_a_sweep_is_trained_and_its_record_says_so",
    "the executor ray needs the package": "sweep/test_inline.py::"
    "test_where_ray_is_missing_a_sweep_is_trained_and_its_record_says_so",
    "runs on: the same command follows it again": "cluster/test_sshd.py::"
    "test_it_goes_on_without_the_laptop_and_the_same_command_follows_it_again",
    "; what runs there goes on": "cli/test_forward.py::test_one_that_stays_away_is_followed_again_by_the_same_command",
    "a sweep must run once at a time": _JOBS
    + "test_the_same_search_space_joins_and_leaves_with_ctrl_c_while_the_job_runs_on",
    "must arrive whole, but": "store/test_pull.py::test_what_was_killed_in_the_middle_is_brought_by_the_next_call",
    "a sweep's Ray cluster must stay": "test_end_to_end.py::test_each_run_went_on_from_the_one_before",
    "stopped by {}: run the same command": _JOBS
    + "test_submitting_again_after_its_sigterm_goes_on_and_equals_a_sweep_never_stopped",
    "this is a copy without checkpoints": "store/test_publish.py::"
    "test_a_damaged_copy_is_repaired_as_far_as_it_can_be_and_pulled_again",
    "if that lasts, mend the sweep": "cluster/test_ssh.py::"
    "test_the_tables_of_a_sweep_whose_private_files_were_removed_come_once_it_is_mended",
    "images/formats.py:{} must hold scikit-learn's digits": _IMAGES
    + "test_other_digits_than_scikit_learns_are_refused_until_it_is_there_again",
    "must be under {} or downloadable": _IMAGES + "test_files_of_the_right_kind_load",
    "ELBO and IWAE need one K": "objectives/test_bounds.py::test_elbo_and_iwae_refuse_unequal_numbers_of_samples",
    "must hold parts of the table only": "store/test_epochs.py::test_a_missing_part_and_a_stray_file_are_refused",
    "a trial must have an epoch for this": "cli/test_reproduce.py::test_a_mistake_is_one_sentence",
    "check its disk and run again": "sweep/test_retry.py::"
    "test_a_full_disk_and_a_failed_fsync_are_tried_again_with_one_message_until_they_pass",
    "images/files.py:{} must hold at most": _READS + "test_a_larger_file_is_refused_without_reading_it_all",
    "images/files.py:{} must be a regular file": _READS + "test_nothing_else_is_waited_for",
    "images/files.py:{} must be readable": _READS + "test_what_is_not_there_or_may_not_be_read",
    "must be a whole gzip file": _READS + "test_a_broken_gzip_file",
    "must be an idx file of bytes": _IMAGES + "test_broken_files_that_are_replaced_as_each_error_says_load",
    "values after its header": _IMAGES + "test_broken_files_that_are_replaced_as_each_error_says_load",
    "must have ten equal classes": _IMAGES + "test_broken_files_that_are_replaced_as_each_error_says_load",
    "must hold arrays of shape": _IMAGES + "test_broken_files_that_are_replaced_as_each_error_says_load",
    "must hold CIFAR-10's batches": _BATCHES + "test_an_archive_that_lacks_some",
    "must have CIFAR-10's": _BATCHES + "test_no_other_pickle_is_read",
    "must be a whole tar file": _BATCHES + "test_an_archive_that_is_none",
    "must have all of its files": _IMAGES + "test_some_of_the_files_are_not_all",
    "must have the checksum": _IMAGES + "test_mnist_with_two_labels_swapped_is_refused",
    "must have a mean pixel of": _IMAGES + "test_black_images_are_refused",
    "TMC_SWEEP_DATA must name a folder": _IMAGES + "test_a_variable_that_names_no_folder",
    "must be a folder of data sets": _IMAGES + "test_a_variable_that_names_a_file",
    "must take what was downloaded": "images/test_download.py::"
    "test_what_a_full_disk_did_not_take_comes_once_there_is_space",
    "n latents need n factors": "objectives/test_bounds.py::test_a_wrong_number_of_factors_is_refused",
    "must have the same leading dimensions": "objectives/test_bounds.py::test_different_leading_dimensions_are_refused",
    "jobs go to a cluster's job server": _SERVER + "test_an_address_where_no_job_server_is",
    "cluster/server.py:a Ray cluster must answer at": _SERVER + "test_an_address_where_no_job_server_is",
    "a Ray cluster's job server must answer": _SERVER + "test_an_address_where_no_job_server_is",
    "jobs need the cluster's dashboard": _SERVER + "test_a_cluster_takes_jobs_once_its_head_has_a_dashboard",
    "jobs, and our token, go to": "sweep/test_trust.py::"
    "test_the_usual_port_of_a_job_server_gets_no_token_if_another_user_has_it",
    "sweep/session.py:a Ray cluster must answer at": _SESSION + "test_an_address_that_nobody_answers_at_is_refused",
    "the head of a Ray cluster must answer at": _SESSION
    + "test_a_head_that_will_not_have_us_is_reported_in_one_sentence",
    "joining the Ray cluster at": _SESSION + "test_a_head_that_will_not_have_us_is_reported_in_one_sentence",
    "files open, but the hard limit here is": _SESSION + "test_too_few_open_files_are_refused_before_ray_starts",
    "but it is read-only or missing: make it writable": _SESSION
    + "test_shared_memory_that_is_not_writable_is_refused_before_ray_starts",
    "Ray must have a folder for its files": "sweep/test_scratch.py::test_what_can_be_no_folder_is_refused",
    "--results of a job must be": "cluster/test_submit.py::test_results_of_a_job_are_an_absolute_folder",
    "the name must be that of a sweep with a job": "cluster/test_submit.py::"
    "test_a_name_without_a_job_has_one_once_it_is_submitted",
    "a job must end within": "cluster/test_submit.py::test_a_stop_takes_as_long_as_it_says_and_ray_kills_before",
    "a job runs `tmc-sweep` on the head": "cluster/test_submit.py::test_a_head_without_tmc_sweep_says_so",
    "the name must be that of a sweep on the head": _SSH + "test_a_sweeps_tables_come_without_its_checkpoints",
    "must answer over SSH": _SSH + "test_a_connection_that_fails_says_what_ssh_says",
    "lacks cluster_name, provider.type": _LAUNCHER + "test_a_file_that_is_none_of_ray_up",
    "check its provider section": _LAUNCHER + "test_a_host_that_is_nowhere",
    "pairs all samples of an image": "analysis/test_evaluation.py::"
    "test_tmc_is_refused_where_its_pairs_need_too_much_memory",
    "a trial must fit into": "sweep/test_pack_run.py::test_a_trial_too_large_even_alone_fails_and_the_others_are_done",
    ": `tmc-sweep run search_spaces/": "article/test_claims.py::"
    "test_the_sweep_that_a_claim_names_measures_it_like_for_like",
    "--on plans here for machines": "cli/test_plan.py::test_a_plan_is_for_one_cluster",
    "--probe measures this machine": "cli/test_plan.py::test_a_machine_that_will_not_train_is_not_measured",
    "a pack must fit into this machine's memory": "cli/test_plan.py::"
    "test_what_does_not_fit_into_this_machine_takes_unknown_time_and_is_named",
    "copy the head's ~/.ray/auth_token": _JOBS + "test_the_heads_token_copied_to_where_the_error_says_opens_it",
    "a trial's name must be 12 hex digits": "store/test_checkpoints.py::test_a_trial_id_cannot_lead_elsewhere",
    "statistics/export.py:needs the package": "statistics/test_export.py::"
    "test_tensorboard_has_a_run_per_trial_with_its_parameters_and_epochs",
    "put its folder back": "store/test_files.py::test_a_folder_that_is_put_back_is_written_to",
    "remove the symbolic link": "store/test_files.py::test_a_link_in_a_folders_place_is_not_followed",
    "{} cannot be {} ({}): {}": "store/test_files.py::test_a_failure_names_path_cause_and_fix_and_leaves_the_old_file",
    "must stay while a sweep runs": "store/test_lock.py::test_a_lock_that_is_no_longer_there_is_no_lock",
    "trained again, must reproduce": "store/test_recorder.py::"
    "test_on_a_cpu_an_epoch_that_differs_fails_the_trial_and_leaves_its_checkpoints",
    "a copy's address must hold no secret": "store/test_publish.py::"
    "test_a_key_belongs_into_the_environment_as_its_error_says",
    "the copy at {} cannot be": "store/test_publish.py::test_the_right_address_of_a_copy_works_as_its_error_says",
    "must be free or hold this sweep's copy": "store/test_publish.py::test_a_copy_of_another_sweep_is_left_alone",
    "must fit into half of this machine's memory": "integrity/test_verify.py::"
    "test_a_part_that_decodes_to_more_than_the_memory_is_refused_unread",
    "training/checkpoint.py:must name it": "analysis/test_trained.py::test_another_trials_checkpoint_is_refused",
    "a checkpoint of trial {} cannot be read": "analysis/test_trained.py::"
    "test_a_checkpoint_that_cannot_be_read_is_refused_until_it_is_removed",
    "had a checkpoint, but it was removed just now": "analysis/test_trained.py::test_a_checkpoint_that_goes_meanwhile",
    "the state must be of trial": "training/test_loop.py::test_a_state_of_another_trial_is_refused",
    "must be trained by the version that began it": "test_numerics.py::"
    "test_a_run_of_the_same_file_trains_others_beside_them",
    "measuring what a pack of": "sweep/test_packing.py::test_nothing_is_measured_where_nothing_is_auto",
    "must be the sweep's trial table, but is not there yet": "store/test_epochs.py::"
    "test_who_gets_a_trial_table_reads_it",
    "must get its epochs one after another": "store/test_epochs.py::test_a_gap_is_refused",
}

MET = {
    # another version of Ray, of this package or of a library is to be installed
    "cluster/doctor.py:install tmc-sweep again": "cluster/test_doctor.py::test_a_package_that_is_missing_here",
    "this machine's Python and torch must start": "cluster/test_doctor.py::"
    "test_a_machine_that_cannot_be_looked_at_says_why",
    "a cluster of provider": _LAUNCHER + "test_a_cloud_whose_library_is_missing",
    "jobs need one version of Ray": _SERVER + "test_what_is_no_job_server_of_ours",
    "a sweep and its cluster must run one version": _SESSION
    + "test_a_head_that_will_not_have_us_is_reported_in_one_sentence",
    "as this machine has, but has": "cluster/test_sshd.py::test_a_head_with_another_version_of_ours",
    "install the same tmc-sweep on all nodes": "cluster/test_doctor.py::test_a_node_that_differs",
    # another version of this package is to be used, which there is not yet or not here
    "must have a format version up to": "integrity/test_verify.py::test_what_a_newer_version_wrote_is_no_damage",
    "must have columns of this version": "store/test_epochs.py::"
    "test_a_part_that_is_not_ours_and_whole_is_refused_and_left_alone",
    "a checkpoint must have format": "training/test_checkpoint.py::test_a_checkpoint_of_another_format_is_refused",
    "must have the configuration that gave it its name": "test_numerics.py::"
    "test_a_name_that_no_numerics_gives_is_nobodys",
    "the best cell must have trials that this version names": "cli/test_best.py::"
    "test_cells_that_only_another_version_names_are_told",
    "a trial's data must be {}": "report/test_figures.py::test_a_trial_of_data_that_are_not_known_here_is_one_sentence",
    # another machine is to be logged in to, or brought up in a cloud
    "knows no head of it": _LAUNCHER + "test_a_cloud_that_knows_of_no_head",
    "is one of kubectl": _LAUNCHER + "test_kubernetes_is_reached_in_another_way",
    "a search space that is sent to a cluster": _SSH + "test_one_that_is_too_large_for_a_command_is_refused",
    "a sweep runs on the cluster's head": _SESSION + "test_an_address_that_is_not_the_clusters_own_is_refused",
    # somebody is to look there, or to be told
    "must run on the head, but": "cluster/test_submit.py::test_a_job_that_never_ran_says_what_ray_says",
    "the job server at {} must do": _SERVER + "test_what_is_no_job_server_of_ours",
    "must end well, but ended with": _SSH + "test_it_answers_and_exit_codes_are_its_own",
    "the rows of trial {} must name it": "store/test_epochs.py::test_rows_of_another_trial_are_refused",
    # what Ray and the system say is planted there
    "Ray must start on this machine": _SESSION + "test_a_ray_that_does_not_start_is_reported_in_one_sentence",
}

NO_ADVICE = {
    "cli/doctor.py:: {}",
    "cli/export.py:: tensorboard --logdir {}",
    "cli/export.py:: MLFLOW_ALLOW_FILE_STORE=true",
    "cluster/doctor.py:: trials train on the processor",
    "cluster/jobs.py:command -v tmc-sweep",
    "store/docs.py:This page is generated from",
}
