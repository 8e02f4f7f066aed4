//! Directories: only what is allowed is found, whatever leads there.

use std::os::unix::fs::symlink;

use super::*;
use crate::claude::by_hand::ByHand;
use crate::config::Environment;

fn workplace(at: &Path) -> Workplace {
    for folder in ["root/web", "root/.archive", "src/project", "elsewhere"] {
        fs::create_dir_all(at.join(folder)).unwrap();
    }
    fs::write(at.join("src/file"), "").unwrap();
    symlink(at.join("elsewhere"), at.join("src/out")).unwrap();
    symlink(at.join("src/project"), at.join("root/in")).unwrap();
    Workplace {
        root: at.join("root"),
        allowed: vec![at.join("src"), at.join("not-there")],
        home: Some(at.to_owned()),
        claude: None,
        by_hand: ByHand::new(&["claude".to_owned()], None),
        archives: ".archive",
        personas: Personas::in_folder(at, Environment::from_pairs([("HOME", "/home/u")])),
    }
}

#[test]
fn only_what_is_allowed_is_found_whatever_leads_there() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().canonicalize().unwrap();
    let place = workplace(&at);
    let found = |named: &str| place.directory(named);
    let inside = |path: &str| Ok(at.join(path));
    assert_eq!(found("~/src/project"), inside("src/project"));
    assert_eq!(found("~/src"), inside("src"));
    assert_eq!(found("~/root/web"), inside("root/web"));
    assert_eq!(found("~/root/in"), inside("src/project"));
    assert_eq!(found("~/src/project/../project/."), inside("src/project"));
    for outside in [
        "~/src/out",
        "~/elsewhere",
        "~/root/../elsewhere",
        "~/root/.archive",
        "~/root",
        "~",
        "/",
        "/etc",
    ] {
        assert!(
            matches!(found(outside), Err(NoDirectory::Outside { .. })),
            "{outside}: {:?}",
            found(outside)
        );
    }
    assert_eq!(found("~/src/none"), Err(NoDirectory::Missing));
    assert_eq!(found("~/src/file"), Err(NoDirectory::NotADirectory));
    assert_eq!(found("~/src/file/x"), Err(NoDirectory::NotADirectory));
    let round = at.join("src/round");
    symlink(&round, &round).unwrap();
    assert_eq!(found("~/src/round"), Err(NoDirectory::Circle));
    for broken in ["src", "./src", "~ada/src", "", "a\0b", &"x/".repeat(3000)] {
        assert_eq!(found(broken), Err(NoDirectory::NotWhole), "{broken:?}");
    }
}

#[test]
fn what_lies_in_the_root_is_somebodys_and_an_empty_folder_is_in_nobodys_way() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().canonicalize().unwrap();
    let place = workplace(&at);
    fs::create_dir_all(at.join("root/full/inside")).unwrap();
    fs::write(at.join("root/file"), "").unwrap();
    symlink(at.join("elsewhere"), at.join("root/out")).unwrap();
    let mut occupied = place.occupied();
    occupied.sort();
    assert_eq!(occupied, ["file", "full", "in", "out"]);
    let real = |path: &str| Ok(folder.path().canonicalize().unwrap().join(path));
    assert_eq!(place.may_work_in("full"), real("root/full"));
    assert_eq!(place.may_work_in("in"), real("src/project"));
    assert_eq!(place.may_work_in("file"), Err(NoDirectory::NotADirectory));
    assert!(matches!(
        place.may_work_in("out"),
        Err(NoDirectory::Outside { .. })
    ));
    fs::remove_dir_all(at.join("root")).unwrap();
    assert_eq!(place.occupied(), Vec::<String>::new());
}

#[test]
fn a_path_is_shown_as_a_person_would_write_it() {
    let folder = tempfile::tempdir().unwrap();
    let place = workplace(folder.path());
    assert_eq!(place.short(&folder.path().join("src/a")), "~/src/a");
    assert_eq!(place.short(folder.path()), "~");
    assert_eq!(place.short(Path::new("/srv/x")), "/srv/x");
}

#[test]
fn links_are_followed_also_where_the_end_is_not_there_yet() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().canonicalize().unwrap();
    fs::create_dir(at.join("real")).unwrap();
    symlink(at.join("real"), at.join("link")).unwrap();
    assert_eq!(resolved(&at.join("link")), at.join("real"));
    assert_eq!(resolved(&at.join("link/a/b")), at.join("real/a/b"));
    assert_eq!(resolved(&at.join("none/a")), at.join("none/a"));
}

#[test]
fn an_archive_is_known_by_its_name_and_nothing_else_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let place = workplace(folder.path());
    assert_eq!(place.archived(), []);
    let archives = folder.path().join("root/.archive");
    let file = archive_of("my-web", "20261128-140205", "0a1b2c3d-4e5f");
    assert_eq!(file, "my-web-20261128-140205-0a1b2c3d.tar.zst");
    assert_eq!(
        name_in("a-20261128-20261128-140205.tar.zst"),
        Some("a-20261128")
    );
    for name in [
        file.as_str(),
        ".archive-x.tar.zst",
        "web.tar.zst",
        "web-20261128.tar.zst",
        "we.b-20261128-140205.tar.zst",
        "notes.txt",
    ] {
        fs::write(archives.join(name), "").unwrap();
    }
    let found = place.archived();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        (found[0].file.as_str(), found[0].name.as_str()),
        (file.as_str(), "my-web")
    );
}

#[test]
fn an_archive_is_found_however_many_newer_ones_there_are() {
    let folder = tempfile::tempdir().unwrap();
    let place = workplace(folder.path());
    let archives = folder.path().join("root/.archive");
    for number in 0..200 {
        let file = archive_of(&format!("s{number}"), "20261128-140205", "0a1b2c3d");
        fs::write(archives.join(file), "").unwrap();
    }
    assert_eq!(place.archived().len(), 200);
}
