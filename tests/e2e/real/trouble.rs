//! When the API fails.

use super::Stage;
use crate::host::USER;

#[test]
fn a_refusal_of_the_api_is_told_and_the_next_message_works() {
    let Some(stage) = Stage::new("a_refusal_of_the_api_is_told_and_the_next_message_works") else {
        return;
    };
    let _chappe = stage.host.start();
    stage.ask("[[error 401]]", "Invalid API key");
    stage.ask("after", "echo: after");
    stage.ask("[[error 529]]", "Repeated 529");
    stage.ask("again", "echo: again");
}

#[test]
fn the_status_shows_that_the_api_is_tried_again() {
    let Some(stage) = Stage::new("the_status_shows_that_the_api_is_tried_again") else {
        return;
    };
    let _chappe = stage.host.start();
    stage.say("[[error 500 x4]] [[text recovered]]");
    stage.host.wait("a status with the attempts", |view| {
        let mut shown = view.from_bot(USER);
        shown
            .find(|shown| {
                shown
                    .text
                    .contains("Anthropic has a problem, trying again (")
            })
            .map(drop)
    });
    stage.host.answer("recovered");
}
