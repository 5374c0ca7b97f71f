//! End-to-end tests: one fleet of three controllers and two real nodes, and every scenario in turn against it.
//!
//! A scenario is a function in a file of its own beside this one, and a line in the list below. It uses names
//! (users, domains, tenants) that no other uses, and may leave members down: the fleet is made whole before each.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use libtest_mimic::{Arguments, Failed, Trial};
use npanel_e2e::World;

macro_rules! scenarios {
    ($($file:ident: $($claim:ident),+;)+) => {
        $(mod $file;)+
        /// Every claim by its name, in the order in which it is tried.
        const SCENARIOS: &[(&str, fn(&World) -> Result<()>)] = &[$($((stringify!($claim), $file::$claim)),+),+];
    };
}

scenarios! {
    site: a_new_account_is_a_site_that_answers, its_address_is_told_by_every_name_server;
    refusals:
        a_domain_of_another_tenant_is_refused,
        malformed_and_reserved_names_are_refused,
        a_document_root_outside_the_home_is_refused,
        what_is_no_request_is_refused,
        another_tenants_objects_do_not_exist_for_a_key,
        only_an_api_key_opens_the_api;
    suspension:
        a_suspended_account_is_not_served_and_comes_back_as_it_was,
        a_domain_suspended_by_itself_stays_so_when_its_account_is_not,
        a_suspension_outlasts_a_restart_of_the_node,
        a_suspended_tenants_sites_rest_and_come_back_as_they_were;
    foresight:
        a_dry_run_names_the_files_that_would_change_and_changes_none,
        a_node_that_is_down_is_said_to_be_unreachable_in_a_dry_run;
    called: any_operation_is_called_by_its_name;
    cron:
        scheduled_jobs_run_as_their_account_and_rest_with_it,
        an_account_suspended_while_its_jobs_change_has_no_timers_running;
    quota:
        a_tenants_quota_is_not_passed_by_asking_three_controllers_at_once,
        a_nodes_certificate_opens_no_route_of_the_api;
    enrolment:
        a_token_that_is_wrong_or_for_another_role_admits_nobody,
        a_used_token_admits_nobody_else,
        of_two_machines_that_race_for_a_tokens_last_use_one_wins,
        a_token_bound_to_a_name_and_a_network_admits_nobody_else;
    revocation: a_revoked_node_is_out_at_once_and_comes_back_only_by_a_fresh_token;
    neighbours:
        a_neighbours_files_and_key_cannot_be_read,
        a_link_in_a_document_root_leads_nowhere,
        a_document_root_cannot_be_replaced_by_a_link,
        a_neighbours_php_socket_cannot_be_reached,
        a_neighbours_database_cannot_be_reached,
        a_neighbours_processes_are_not_seen,
        a_neighbours_name_is_not_seen_and_ones_own_is_known,
        a_crooked_host_or_tls_name_reaches_no_other_site;
    apart:
        temporary_files_are_an_accounts_own,
        an_account_sees_of_the_machine_what_it_is_given,
        shared_memory_is_an_accounts_own,
        a_neighbours_file_cannot_be_hard_linked;
    local_ports:
        the_clouds_credentials_are_refused_at_once,
        the_nodes_own_ports_cannot_be_reached,
        the_controllers_cannot_be_reached,
        the_nodes_own_sockets_cannot_be_reached,
        nobody_answers_in_the_place_of_a_stopped_service;
    crash_loop: a_crash_loop_harms_only_its_own_site_which_comes_back;
    malformed: no_field_takes_text_that_means_something_elsewhere, no_path_takes_an_id_that_is_none;
    expiry: an_expired_token_admits_nobody;
    drift:
        what_is_changed_by_hand_is_put_right_within_a_minute_and_told,
        a_stopped_service_and_shared_configuration_are_put_right_and_told,
        a_zone_changed_by_hand_is_put_right_and_told,
        what_a_tenant_does_is_no_drift;
    faults:
        the_account_that_a_checker_refuses_is_singled_out,
        a_base_that_is_refused_is_told_and_the_last_good_one_goes_on,
        a_node_whose_ledger_has_no_room_says_so_and_goes_on_when_it_has,
        a_node_that_was_cut_off_during_many_changes_catches_up;
    full_disk:
        a_site_on_a_full_disk_of_homes_says_so_and_is_made_when_there_is_room,
        a_database_on_a_full_disk_says_so_and_is_made_when_there_is_room;
    zones: a_zone_that_the_name_server_refuses_holds_up_no_other;
    kills: daemons_that_are_killed_at_any_point_leave_everything_as_it_was_asked_for;
    too_much:
        a_body_of_ten_megabytes_is_refused_and_not_kept,
        a_page_of_a_million_is_refused_by_every_list;
    leader:
        no_acknowledged_account_is_lost_or_doubled_when_the_leader_is_killed,
        nodes_do_not_notice_that_the_leader_dies;
    removal: a_removed_controller_serves_nobody_and_its_machine_can_join_anew;
    replacement: a_dead_controller_is_replaced_by_one_command_while_writes_go_on;
    plans:
        accounts_follow_their_plan_to_another_php_on_their_nodes,
        a_plans_limits_reach_what_runs_and_outlast_a_restart_of_the_node;
    placement:
        a_cordoned_node_gets_nothing_new_and_says_so,
        a_tenant_sees_of_a_placement_only_where_its_own_accounts_are;
    without_controllers: a_node_restarted_with_every_controller_down_serves_its_last_intent;
    leftovers: a_machine_enrolled_anew_serves_nothing_of_old_and_gets_nothing_new_until_it_is_cleared;
    lost_node: what_a_node_carried_that_is_gone_for_good_is_placed_anew_on_another;
    rotation: every_machine_moves_to_a_new_authority_and_the_old_one_goes;
    secrets: keys_are_changed_while_a_controller_is_away_and_the_leader_dies;
    planted: a_secret_is_found_nowhere_but_where_it_belongs;
    audit: what_was_done_is_proved_and_a_tampered_copy_names_the_entry;
    // After all others: nodes hold what the restored state does not know.
    disaster:
        a_fleet_restored_from_a_backup_goes_on_and_no_site_is_lost,
        the_survivor_of_a_lost_majority_goes_on_and_the_lost_ones_do_no_harm;
    // Last: the state's own time does not go back with the clocks.
    clocks: machines_whose_certificates_all_expired_find_each_other_again;
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    if arguments.list {
        let listed = SCENARIOS.iter().map(|(name, _)| Trial::test(*name, || Ok(()))).collect();
        return libtest_mimic::run(&arguments, listed).exit_code();
    }
    match run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<ExitCode> {
    let world = Arc::new(World::boot("e2e")?);
    print!("A fleet of three controllers and two nodes is up:\n{}", world.fleet.timings());
    let conclusion = libtest_mimic::run(arguments, trials(&world));
    if conclusion.has_failed() {
        eprintln!("The logs of all members are in {}", world.keep_logs("e2e")?.display());
    }
    Ok(conclusion.exit_code())
}

fn trials(world: &Arc<World>) -> Vec<Trial> {
    let trial = |&(name, scenario): &(&'static str, fn(&World) -> Result<()>)| {
        let world = Arc::clone(world);
        let run = move || world.restore().and_then(|()| scenario(&world));
        Trial::test(name, move || run().map_err(|error| Failed::from(format!("{error:?}"))))
    };
    SCENARIOS.iter().map(trial).collect()
}
