//! No secret is shown, by no mistake.

use super::*;

#[test]
fn nothing_shows_a_secret_by_debug() {
    let env = Environment::from_pairs([("HOME", "/h"), ("CHAPPE_TOKEN", TOKEN)]);
    let config = good(WITHOUT_TOKEN, &env);
    let shown = format!("{config:?} {:?} {env:?}", config.telegram.token);
    assert!(!shown.contains(SECRET), "{shown}");
    assert!(
        shown.contains("Token(123456789:…)") && shown.contains("CHAPPE_TOKEN"),
        "{shown}"
    );
}

/// Each single slip of the hand in a good file: a character lost, or a stray one in between.
#[test]
fn no_slip_anywhere_makes_an_error_show_a_secret() {
    const PASSWORD: &str = "correct-horse-battery";
    const KEY: &str = "sk-ant-q7w8e9r0t1y2u3";
    let good = format!(
        "state_dir = \"/x\"\n[telegram]\ntoken = \"{TOKEN}\"\nallowed_users = [5]\n\
         proxy = \"http://me:{PASSWORD}@host:80\"\n[claude]\nenv = {{ ANTHROPIC_API_KEY = \"{KEY}\" }}\n"
    );
    // No run of this many characters of a secret may be seen, wherever it was cut.
    const RUN: usize = 6;
    let runs: Vec<&str> = [&TOKEN[10..], PASSWORD, KEY]
        .into_iter()
        .flat_map(|secret| (0..=secret.len() - RUN).map(move |from| &secret[from..from + RUN]))
        .collect();
    let mut mistakes = 0;
    for at in 0..good.len() {
        let (before, after) = good.split_at(at);
        let lost = format!("{before}{}", &after[1..]);
        let strays = [
            "\"", "'", "=", "[", "]", "{", "}", "#", "\n", " ", ":", "@", "\\", "\t", "\u{7}", "é",
            "_", ".",
        ];
        let stray = strays.iter().map(|stray| format!("{before}{stray}{after}"));
        for text in stray.chain([lost]) {
            if let Err(error) = parse(Path::new(FILE), &text, &ordinary()) {
                mistakes += 1;
                let said = error.to_string();
                let seen = runs.iter().find(|run| said.contains(**run));
                assert_eq!(seen, None, "shown by:\n{said}\nfor:\n{text}");
            }
        }
    }
    assert!(
        mistakes > good.len(),
        "most slips are errors, and {mistakes} were"
    );
}
