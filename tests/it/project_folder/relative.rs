//! Relative paths if no project folder is known.

use std::path::PathBuf;

use serde_json::json;

use super::{Answer, Host, project};
use crate::stdio::on_stage;

#[test]
fn the_error_about_a_relative_path_without_a_project_folder_has_the_reason_and_the_fix() {
    on_stage(|stage| {
        let app = project(stage, "app");
        let home = dunce::canonicalize(stage.dir.path()).unwrap().join("home");
        std::fs::create_dir_all(home.join(".ssh")).unwrap();
        let root = home.ancestors().last().unwrap().to_owned();
        let below_root = app.join("logo.png").strip_prefix(&root).unwrap().display().to_string();
        let line = format!("\"MINIMAX_ALLOWED_DIRS\": {}", json!(app));
        let whole = app.join("logo.png").display().to_string();
        let named =
            |folders: &[&PathBuf]| Answer::Folders(folders.iter().map(|&folder| folder.clone()).collect());
        let (gone, file) = (home.join("gone"), app.join("logo.png"));
        for (start, given, answer, client) in [
            (&home, "code/app/logo.png", Answer::Never, "the client named none"),
            (&root, below_root.as_str(), Answer::Never, "the client named none"),
            (&home, "./code/app/logo.png", Answer::Error, "the client named none"),
            (&home, "code/app/logo.png", named(&[&home]), "is the home folder"),
            (&home, "code/app/logo.png", named(&[&root]), "is the root of the file system"),
            (
                &home,
                "code/app/logo.png",
                named(&[&home.join(".ssh")]),
                "is in a folder of the home folder where programs keep private data",
            ),
            (&home, "code/app/logo.png", named(&[&gone]), "does not exist"),
            (&home, "code/app/logo.png", named(&[&file]), "is not a folder"),
            (&root, below_root.as_str(), named(&[&home, &root]), "is the home folder; "),
        ] {
            let mut host = Host::open(stage, start, &[], answer);
            let refusal = host.refusal("view_media", json!({ "uri": given }));
            let started = format!("it started the server in {}, ", start.display());
            let why = if *start == root { "the root of the file system" } else { "the home folder" };
            for part in [client, &started, why, "which is not a project"] {
                assert!(refusal.contains(part), "{part} in {refusal}");
            }
            // Below the root, the folder of this test is a hidden one.
            for part in [&whole, &line] {
                assert_eq!(refusal.contains(part), *start == home, "{part} in {refusal}");
            }
        }
        // In a folder that is allowed already no line is needed, and none opens a hidden folder.
        std::fs::create_dir_all(home.join("Pictures")).unwrap();
        for (given, is_named) in
            [("Pictures/fox.png", true), (".ssh/id_rsa", false), ("../../etc/passwd", false)]
        {
            let mut host = Host::open(stage, &home, &[], Answer::Never);
            let refusal = host.refusal("view_media", json!({ "uri": given }));
            assert!(!refusal.contains("MINIMAX_ALLOWED_DIRS"), "{refusal}");
            assert_eq!(refusal.contains("such as"), is_named, "{refusal}");
        }
        // Pasted, the line does what it says.
        let setting = [("MINIMAX_ALLOWED_DIRS", app.to_str().unwrap())];
        let mut host = Host::open(stage, &home, &setting, Answer::Never);
        host.make("view_media", json!({ "uri": whole }));
    });
}
