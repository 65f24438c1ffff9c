//! What every implementation of [`super::Storage`] does. An adapter runs these tests on databases of its
//! own with [`storage_tests`].

pub(super) mod accounts;
pub(super) mod conversations;
pub(super) mod pictures;
pub(super) mod publication;
pub(super) mod runs;
mod sample;
pub(super) mod triggers;
pub(super) mod writes;

/// Declares a test for each function of these modules. `$open` opens an empty database and returns it
/// with what is to be kept until it is closed.
macro_rules! storage_tests {
    ($open:path) => {
        $crate::storage::tests::storage_tests! { $open:
            accounts::accounts_are_stored_as_they_were_created
            accounts::several_accounts_are_created_or_none
            accounts::numbers_of_accounts_are_never_given_again
            accounts::an_update_changes_what_it_names_and_no_more
            accounts::a_replaced_account_holds_the_new_data_only
            accounts::a_reset_of_terms_leaves_those_of_the_creation
            accounts::a_removed_account_has_nothing
            conversations::pages_begin_with_the_latest_activity
            conversations::a_filter_selects_by_deployment_and_labels
            conversations::characters_conversations_are_read_batch_by_batch
            conversations::a_conversation_is_loaded_with_its_latest_turns_or_messages
            conversations::a_long_conversation_is_loaded_whole_and_holds_a_permit
            conversations::messages_are_read_by_window_and_by_position
            conversations::the_latest_messages_fit_into_a_number_of_bytes
            conversations::what_does_not_exist_is_not_found
            pictures::agents_are_listed_in_the_order_of_their_creation
            pictures::a_batch_leaves_long_texts_out
            pictures::images_are_listed_newest_first
            pictures::a_picture_is_found_in_any_account
            publication::a_change_is_published_before_it_returns
            publication::a_change_that_fails_publishes_nothing
            publication::what_is_written_after_an_epoch_is_refused
            publication::what_is_written_during_a_replacement_is_replaced_or_refused
            publication::data_and_capture_are_of_one_moment
            triggers::a_trigger_is_found_and_listed_as_it_was_created
            triggers::an_update_of_a_trigger_keeps_what_it_does_not_name
            triggers::an_account_has_no_more_triggers_than_its_bounds
            runs::steps_are_stored_with_messages_and_the_state_of_the_conversation
            runs::a_step_takes_place_once
            runs::a_call_is_found_with_the_step_that_followed
            runs::a_history_has_messages_and_calls_in_the_order_of_time
            runs::runs_are_listed_and_found_with_their_latest_steps
            runs::the_data_of_an_account_has_its_runs
            writes::a_turn_is_stored_with_its_cost_and_its_counter
            writes::a_write_that_fails_stores_nothing
            writes::turns_at_the_same_time_do_not_mix
            writes::a_balance_covers_no_more_than_it_has
            writes::what_is_not_covered_is_not_stored
            writes::an_image_and_its_message_are_stored_together
            writes::nothing_is_written_once_it_is_closed
        }
    };
    ($open:path: $($module:ident::$test:ident)*) => {$(
        #[tokio::test]
        async fn $test() {
            let (storage, _kept) = $open().await;
            $crate::storage::tests::$module::$test(std::sync::Arc::clone(&storage)).await;
            storage.close().await;
        }
    )*};
}

pub(super) use storage_tests;
