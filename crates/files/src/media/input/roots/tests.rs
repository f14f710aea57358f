//! Tests of the allowed folders.

use super::*;

#[test]
fn a_windows_path_reaches_no_host_outside_the_allowed_folders() {
    let dirs = vec![PathBuf::from(r"C:\Users\ann\Pictures"), PathBuf::from(r"\\nas\Media\in")];
    let roots = Roots { dirs, ..Roots::default() };
    for path in
        [r"C:\x.png", r"D:\x.png", r"\\NAS\media\x.png", r"\\?\UNC\nas\media\x.png", "//nas/media/x.png"]
    {
        assert!(roots.may_touch_there(path), "{path}");
    }
    for path in [
        r"\\evil\media\x.png",
        "//evil/media/x.png",
        r"\\nas\other\x.png",
        r"\\?\UNC\evil\media\x.png",
        r"\\nas@80\media\x.png",
        r"\\.\pipe\x",
        r"\\?\GLOBALROOT\Device\Mup\evil\media\x.png",
    ] {
        assert!(!roots.may_touch_there(path), "{path}");
    }
}

#[test]
fn the_servers_own_files_are_excluded_except_in_an_allowed_folder_inside_them() {
    let all = tempfile::tempdir().unwrap();
    let home = dunce::canonicalize(all.path()).unwrap();
    let (data, uploads) = (home.join("data"), home.join("data/uploads/ada"));
    let tokens = home.join("tokens.json");
    std::fs::create_dir_all(&uploads).unwrap();
    for allowed in [&home, &data, &home.join(".")] {
        let roots = Roots::new(allowed, None, &[]).without(&data).without(&tokens).with(&uploads);
        for own in ["data", "data/jobs.sqlite3", "data/uploads/bob/a.png", "data/spool/a"] {
            assert_eq!(roots.place(&home.join(own), None), Place::Own, "{own}");
            assert!(!roots.contains(&home.join(own)) && roots.surround(&home.join(own)), "{own}");
        }
        assert_ne!(roots.place(&tokens, None), Place::Inside);
        assert!(roots.contains(&uploads.join("a.png")));
    }
    assert!(Roots::new(&home, None, &[]).without(&data).contains(&home.join("data.png")));
    let below = data.join("results");
    std::fs::create_dir(&below).unwrap();
    let roots = Roots::new(&below, None, &[]).without(&data);
    assert!(roots.contains(&below.join("a.png")) && !roots.surround(&data));
    // A folder that does not exist yet, and a link to it.
    let later = home.join("later");
    assert!(!Roots::new(&home, None, &[]).without(&later).contains(&later.join("a")));
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(&data, home.join("link")).unwrap();
        assert!(!Roots::new(&home, None, &[]).without(&home.join("link")).contains(&data.join("a")));
    }
}

#[test]
fn a_hidden_file_is_excluded_unless_its_hidden_folder_is_allowed() {
    let all = tempfile::tempdir().unwrap();
    let home = dunce::canonicalize(all.path()).unwrap();
    for folder in [".ssh", ".config/media", "Library/Mail", "Library/Cloud", "appdata", "Pictures/.cache"] {
        std::fs::create_dir_all(home.join(folder)).unwrap();
    }
    let extra = [home.clone(), home.join(".config/media"), home.join("Library/Cloud")];
    let roots = Roots::new(&home.join("out"), Some(&home), &extra);
    for inside in
        ["cat.png", "Pictures/a.png", ".config/media/a.png", "Library/Cloud/a.png", "x/Library/a.png"]
    {
        assert!(roots.contains(&home.join(inside)), "{inside}");
    }
    for (hidden, part) in [
        (".ssh/id", ".ssh"),
        (".env", ".env"),
        (".config/gh/hosts.yml", ".config"),
        (".config/media/.x/a.png", ".x"),
        ("Pictures/.cache/a.png", ".cache"),
        ("Library/Mail/a.png", "Library"),
        ("appdata/a.png", "appdata"),
    ] {
        let place = roots.place(&home.join(hidden), None);
        assert_eq!(place, Place::Hidden(part.to_owned()), "{hidden}");
    }
    assert_eq!(roots.place(home.parent().unwrap(), None), Place::Outside);
}

#[test]
fn a_media_folder_of_the_home_directory_counts_before_it_exists_and_other_folders_do_not() {
    let all = tempfile::tempdir().unwrap();
    let top = dunce::canonicalize(all.path()).unwrap();
    let home = top.join("home");
    let roots = Roots::new(&top.join("out"), Some(&home), &[top.join("later")]);
    for name in USUAL {
        assert!(roots.allow(&home.join(name).join("foxes")), "{name}");
        assert_eq!(roots.place(&home.join(name).join(".git"), None), Place::Hidden(".git".to_owned()));
    }
    for outside in ["home/Other/x", "home", "later/x", "Pictures/x"] {
        assert!(!roots.allow(&top.join(outside)), "{outside}");
    }
    // A file or a broken link in its place is not a folder to make.
    std::fs::create_dir_all(&home).unwrap();
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(top.join("gone"), home.join("Music")).unwrap();
        assert!(!roots.allow(&home.join("Music/x")));
    }
}

#[test]
fn the_setting_that_would_allow_a_path_is_a_line_to_paste() {
    let all = tempfile::tempdir().unwrap();
    let top = dunce::canonicalize(all.path()).unwrap();
    let (app, art, other) = (top.join("code/app"), top.join("art"), top.join("quo\"te"));
    for folder in [&app.join("assets"), &art, &other, &top.join("data"), &top.join("out")] {
        std::fs::create_dir_all(folder).unwrap();
    }
    let line = |folders: &[&Path]| {
        let value = std::env::join_paths(folders).unwrap();
        Some(format!("\"MINIMAX_ALLOWED_DIRS\": {}", serde_json::to_string(value.to_str().unwrap()).unwrap()))
    };
    let roots = Roots::new(&top.join("out"), None, std::slice::from_ref(&art)).without(&top.join("data"));
    // The folder of the file, after those that are set already.
    assert_eq!(roots.setting_for(&app.join("logo.png"), false), line(&[&art, &app]));
    assert_eq!(roots.setting_for(&app.join("assets"), true), line(&[&art, &app.join("assets")]));
    assert_eq!(roots.setting_for(&other.join("a.png"), false), line(&[&art, &other]));
    // The project, if the file lies in it.
    let started = roots.clone().started_in(Some(&app));
    assert_eq!(started.setting_for(&app.join("assets/logo.png"), false), line(&[&art, &app]));
    assert_eq!(started.setting_for(&other.join("a.png"), false), line(&[&art, &other]));
    // Nothing is suggested that would not help or that would open everything.
    for none in [
        top.join("data/jobs.sqlite3"),
        art.join("link.png"),
        top.join("code/app/../x.png"),
        top.ancestors().last().unwrap().join("x.png"),
        PathBuf::from("x.png"),
    ] {
        assert_eq!(roots.setting_for(&none, false), None, "{}", none.display());
    }
}

#[test]
fn the_project_is_the_first_folder_of_the_client_or_the_start_folder_if_it_is_allowed() {
    let all = tempfile::tempdir().unwrap();
    let top = dunce::canonicalize(all.path()).unwrap();
    let [home, start, first, second] = ["home", "start", "first", "second"].map(|name| top.join(name));
    for folder in [&home, &start, &first, &second] {
        std::fs::create_dir_all(folder).unwrap();
    }
    let uri = |folder: &Path| String::from(url::Url::from_file_path(folder).unwrap());
    let roots = Roots::new(&top.join("out"), Some(&home), &[]).started_in(Some(&start));
    assert_eq!(roots.project(), None);
    let allowed =
        Roots::new(&top.join("out"), Some(&home), std::slice::from_ref(&start)).started_in(Some(&start));
    assert_eq!(allowed.project(), Some(start));
    let clone = allowed.clone();
    allowed.open_in_client(&[uri(&first), uri(&second)]);
    assert_eq!(clone.project(), Some(first.clone()));
    assert!(clone.allow(&first.join("a.png")) && clone.allow(&second.join("a.png")));
    assert!(!clone.allow(&first.join(".env")));
    // From the root of the file system the path is absolute, and the line opens only its folder.
    let root = top.ancestors().last().unwrap();
    let elsewhere = Roots::new(&top.join("out"), Some(&home), &[]).started_in(Some(root));
    let told = elsewhere.no_project("srv/app/logo.png");
    let folder = root.join("srv").join("app");
    for part in [
        "the root of the file system, which is not a project".to_owned(),
        format!("such as {}", folder.join("logo.png").display()),
        format!("\"MINIMAX_ALLOWED_DIRS\": {folder:?}"),
    ] {
        assert!(told.contains(&part), "{part} in {told}");
    }
    for given in ["logo.png", ".ssh/id_rsa", "../etc/passwd"] {
        assert!(!elsewhere.no_project(given).contains("MINIMAX_ALLOWED_DIRS"), "{given}");
    }
    // A desktop program starts its servers in the home directory or in the root of the file system.
    for no_project in [home.as_path(), top.ancestors().last().unwrap(), Path::new(".")] {
        assert_eq!(Roots::new(&home, Some(&home), &[]).started_in(Some(no_project)).start(), None);
    }
}
