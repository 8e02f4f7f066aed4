//! Personas: what is built in, what a file adds, and how a mistake is told.

use super::*;

fn personas(folder: &Path) -> Personas {
    Personas::in_folder(folder, Environment::from_pairs([("HOME", "/home/u")]))
}

fn broken(read: Result<Persona, NoPersona>) -> String {
    match read {
        Err(NoPersona::Broken(error)) => error.to_string(),
        other => panic!("it is broken: {other:?}"),
    }
}

#[test]
fn the_four_that_are_built_in_are_whole_and_differ() {
    let folder = tempfile::tempdir().unwrap();
    let personas = personas(folder.path());
    let mut prompts = Vec::new();
    for (name, _) in BUILT_IN {
        let persona = personas.read(name).unwrap();
        assert_eq!(persona.name, name);
        assert!(!persona.description.is_empty());
        assert!(persona.prompt.len() > 400, "{name}");
        prompts.push(persona.prompt);
    }
    prompts.dedup();
    assert_eq!(prompts.len(), BUILT_IN.len());
}

#[test]
fn a_file_goes_before_what_is_built_in_and_adds_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("planner.toml", "system_prompt = \"Plan on paper.\"\n");
    write(
        "pirate.toml",
        "description = \"Arr\"\nsystem_prompt = \"Talk like a pirate.\"\nmodel = \"opus\"\npermission_mode = \"plan\"\nmax_turns = 7\n",
    );
    write("notes.txt", "not a persona");
    let personas = personas(folder.path());
    assert_eq!(personas.read("planner").unwrap().prompt, "Plan on paper.");
    assert_eq!(
        personas.read("pirate").unwrap(),
        Persona {
            name: "pirate".into(),
            description: "Arr".into(),
            prompt: "Talk like a pirate.".into(),
            model: Some("opus".into()),
            mode: Some("plan".into()),
            wants_bypass: false,
            max_turns: Some(7),
        }
    );
    assert_eq!(
        personas.names(),
        ["default", "brainstorm", "planner", "research", "pirate"]
    );
}

#[test]
fn a_persona_asks_for_bypass_and_does_not_bring_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("free.toml");
    fs::write(file, "permission_mode = \"bypassPermissions\"\n").unwrap();
    let free = personas(folder.path()).read("free").unwrap();
    assert_eq!((free.mode, free.wants_bypass), (None, true));
}

#[test]
fn a_mistake_is_named_with_its_place_and_breaks_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("a.toml", "description = \"x\"\nsystem_promt = \"y\"\n");
    write("b.toml", "description = \"x\"\nmodel = 5\n");
    write("c.toml", "description = \"x\n");
    write("d.toml", "permission_mode = \"planning\"\n");
    fs::write(folder.path().join("e.toml"), vec![b'x'; 10 << 20]).unwrap();
    fs::write(folder.path().join("f.toml"), b"description = \"\xff\"\n").unwrap();
    fs::create_dir(folder.path().join("g.toml")).unwrap();
    let personas = personas(folder.path());
    let said = |name| broken(personas.read(name));
    assert!(said("a").contains("a.toml:2:1"), "{}", said("a"));
    assert!(said("a").contains("did you mean `system_prompt`?"));
    assert!(said("b").contains("b.toml:2:9"), "{}", said("b"));
    assert!(said("c").contains("c.toml:1:"), "{}", said("c"));
    assert!(said("d").contains("must be one of"), "{}", said("d"));
    assert!(said("e").contains("more than 65536 bytes"), "{}", said("e"));
    assert!(said("f").contains("not UTF-8"), "{}", said("f"));
    assert!(said("g").contains("it is no file"), "{}", said("g"));
    assert!(personas.read("research").is_ok());
}

#[test]
fn an_unknown_name_gets_the_nearest_and_leads_out_of_no_folder() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("personas")).unwrap();
    fs::write(folder.path().join("x.toml"), "").unwrap();
    let personas = personas(&folder.path().join("personas"));
    let near = |name| match personas.read(name) {
        Err(NoPersona::Unknown { near, all }) => {
            assert_eq!(all, personas.names(), "nobody has to look again");
            near
        }
        other => panic!("there is none: {other:?}"),
    };
    assert_eq!(near("reserch").as_deref(), Some("research"));
    for name in ["../x", "x", "", ".", "a/b", "quite-another-thing"] {
        assert_eq!(near(name), None, "{name:?}");
    }
    assert_eq!(near(&"a".repeat(300)), None);
}

#[test]
fn a_persona_that_claude_would_refuse_is_told_before() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("wild.toml"),
        "permission_mode = \"bypassPermissions\"\n",
    )
    .unwrap();
    let mut personas = personas(folder.path());
    assert!(personas.read("wild").is_ok());
    assert_eq!(personas.refuses_mode("bypassPermissions"), None);
    personas.environment = personas.environment.with_effective_uid(0);
    assert!(broken(personas.read("wild")).contains("as root"));
    assert!(personas.refuses_mode("bypassPermissions").is_some());
    assert_eq!(personas.refuses_mode("plan"), None);
}

#[test]
fn what_is_no_file_is_told_and_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe.toml");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    fs::create_dir(folder.path().join("folder.toml")).unwrap();
    let folder = folder.path().to_owned();
    let (report, reported) = crossbeam_channel::bounded(1);
    std::thread::spawn(move || {
        let personas = personas(&folder);
        let _ = report.send(["pipe", "folder"].map(|name| broken(personas.read(name))));
    });
    let told = reported.recv_timeout(std::time::Duration::from_secs(10));
    let told = told.expect("it does not wait");
    assert!(
        told.iter().all(|told| told.contains("it is no file")),
        "{told:?}"
    );
}
